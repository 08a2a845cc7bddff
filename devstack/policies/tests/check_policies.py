"""What parliament and checkov find in the templates, but for what is excepted with a reason."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.templates import Template, policies
from logferry.checkout import ROOT, TEMPLATES
from logferry.template import Resolved

FOLDER = Path(__file__).parents[1]
EXCEPTED: dict[str, list[dict[str, Any]]] = yaml.safe_load((FOLDER / "excepted.yaml").read_text())
PYTHON = ROOT / ".venv-policies" / "bin" / "python"

KEY_ARN = "arn:aws:kms:ap-northeast-2:111122223333:key/11111111-2222-4333-8444-555555555555"
GIVEN = {
    "ArchiveBucketName": "logferry-archive-111122223333-ap-northeast-2",
    "ArchiveKeyArn": KEY_ARN,
    "ArchivePrefix": "shop/",
    "ArtifactBucketName": "logferry-artifacts-111122223333-ap-northeast-2",
    "ControlBucketName": "logferry-control-111122223333-ap-northeast-2",
    "ExternalId": "between-us",
    "HubAccountId": "111122223333",
    "KeyArn": KEY_ARN,
    "SigningKeyArn": KEY_ARN,
    "LowercaseProfile": "shop",
    "OrganizationId": "o-a1b2c3d4e5",
    "Profile": "shop",
    "ProvisionedExporter": "ENABLED",
    "Provisioning": "ENABLED",
    "SourceAccountId": "444455556666",
    "SourceAccountIds": "444455556666",
    "SourceRoleArn": "arn:aws:iam::444455556666:role/logferry-source",
    "SourceRoleArnPatterns": "arn:aws:iam::*:role/logferry-source",
    "Team": "billing",
    "TeamRoleArn": "arn:aws:iam::777788889999:role/billing",
    "TopicArn": "arn:aws:sns:ap-northeast-2:111122223333:log-export-events",
}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What the linters say of the templates and modules as they are."""
    documents = {
        f"{path.stem}/{policy.logical_id}": policy.document
        for path in sorted(TEMPLATES.glob("*.yaml"))
        for template in [Template(path)]
        for policy in policies(template, Resolved(template.document, GIVEN))
        if policy.kind != "trust"  # parliament takes those for malformed
    }
    modules = TEMPLATES / "terraform"
    return lint(documents, {"cloudformation": str(TEMPLATES), "terraform": str(modules)})


def lint(documents: dict[str, Any], folders: dict[str, str]) -> dict[str, Any]:
    asked = {"policies": documents, "folders": folders}
    done = subprocess.run(
        [str(PYTHON), str(FOLDER / "linters.py")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_parliament_has_nothing_to_say_but_what_is_excepted(found: dict[str, Any]) -> None:
    assert found["seen"]["policies"] > 15
    said = {(name, sid, issue): detail for name, sid, issue, detail in found["parliament"]}
    excepted = {
        (each["policy"], statement, each["finding"])
        for each in EXCEPTED["parliament"]
        for statement in each["statements"]
    }
    assert said.keys() == excepted, said


def test_checkov_has_nothing_to_say_but_what_is_excepted(found: dict[str, Any]) -> None:
    assert found["seen"]["checks"] > 150
    said = {
        (check, file, resource.rpartition(".")[2]): title
        for file, resource, check, title in found["checkov"]
    }
    excepted = {
        (each["check"], file, resource)
        for each in EXCEPTED["checkov"]
        for file, resources in each["resources"].items()
        for resource in resources
    }
    assert said.keys() == excepted, {key: said[key] for key in said.keys() - excepted}


def test_every_exception_has_its_reason() -> None:
    assert all(each["reason"] for linter in EXCEPTED.values() for each in linter)


def test_parliament_finds_what_is_wrong() -> None:
    wrong = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Misspelt",
                "Effect": "Allow",
                "Action": "s3:GetObjects",
                "Resource": "arn:aws:s3:::bucket/*",
            },
            {
                "Sid": "OfAnotherThing",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::bucket",
            },
        ],
    }
    found = {(sid, issue) for _, sid, issue, _ in lint({"any": wrong}, {})["parliament"]}
    assert found == {("Misspelt", "UNKNOWN_ACTION"), ("OfAnotherThing", "RESOURCE_MISMATCH")}
