"""On demand: the hub's module, applied to LocalStack by a real provider, changed and destroyed.

The provider is of 2021, the newest in a package registry, so Terraform is told to take it whatever
version the module asks for. It knows stacks, which is all that the hub's module has.
"""

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config as ClientConfig

from logferry.checkout import BUILD, TEMPLATES
from logferry.config import Config
from logferry.hub_stacks import code_key, hub_stacks
from logferry.package import Zip
from logferry.services import NAMES

pytestmark = pytest.mark.localstack

PROVIDER = (
    BUILD / "terraform/providers/cloudrail/terraform_plugins"
) / "terraform-provider-aws_3.39.0_linux_amd64.zip"
REGION = "eu-central-1"
KEPT = ("artifacts", "archive")
CHANGED = 2
"""The exit code of `terraform plan -detailed-exitcode` when there is something to change."""


def made_zip(folder: Path, service: str, text: str) -> Zip:
    """A zip that Lambda takes; it is never run."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("handler.py"), text)
    path = folder / f"{service}.zip"
    path.write_bytes(content.getvalue())
    digest = sha256(content.getvalue()).hexdigest()
    return Zip(service, "x86_64", path, digest, path.stat().st_size, "1.2.3")


@pytest.fixture
def config(account: str) -> Config:
    return Config.model_validate(
        {
            "region": REGION,
            "hub_account_id": account,
            "organization_id": "o-a1b2c3d4e5",
            "external_id": "between-us",
            "architecture": "x86_64",
            "sources": [
                {
                    "profile": "Pay_ments",
                    "account_id": "555566667777",
                    "schedule": "cron(10 3 1 1 ? 2099)",
                    "window_rule": {"unit": "hour", "time_zone": "Asia/Seoul"},
                },
                {
                    "profile": "shop",
                    "account_id": "444455556666",
                    "schedule": "rate(1 day)",
                    "state": "DISABLED",
                },
            ],
        }
    )


@pytest.fixture
def client(localstack: str, account: str) -> Iterator[Callable[[str], Any]]:
    with ExitStack() as clients:

        def client(service: str) -> Any:
            made = boto3.client(  # type: ignore[call-overload]  # any service
                service,
                endpoint_url=localstack,
                region_name=REGION,
                aws_access_key_id=account,
                aws_secret_access_key="any",
                config=ClientConfig(proxies={}),
            )
            return clients.enter_context(closing(made))

        yield client


@pytest.fixture
def terraform(
    terraform_with: Callable[[Path, Path], Any], tmp_path: Path, localstack: str, config: Config
) -> tuple[Any, Path]:
    """Terraform with the real provider, and the folder of a configuration that has the hub."""
    provider, folder = tmp_path / "provider", tmp_path / "hub"
    folder.mkdir()
    with zipfile.ZipFile(PROVIDER) as archive:
        for name in archive.namelist():
            Path(archive.extract(name, provider)).chmod(0o755)
    # A template that changed during a run would be another than was planned.
    shutil.copytree(TEMPLATES, tmp_path / "deploy")
    # Not all that the command reads is the module's: what nothing that is deployed goes by is not.
    declared = (TEMPLATES / "terraform" / "hub" / "variables.tf").read_text("utf-8")
    names = re.findall(r'^variable "(\w+)"', declared, re.MULTILINE)
    (folder / "main.tf.json").write_text(
        json.dumps(
            {
                "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
                "provider": {
                    "aws": {
                        "region": REGION,
                        "access_key": config.hub_account_id,
                        "secret_key": "any",
                        "allowed_account_ids": [config.hub_account_id],
                        "skip_metadata_api_check": True,
                        "endpoints": {"cloudformation": localstack, "sts": localstack},
                    }
                },
                "variable": {name: {} for name in names},
                "module": {
                    "hub": {
                        "source": "../deploy/terraform/hub",
                        **{name: f"${{var.{name}}}" for name in names},
                    }
                },
                "output": {"hub": {"value": "${module.hub}"}},
            }
        )
    )
    terraform = terraform_with(tmp_path, provider)
    terraform(folder, "get")
    return terraform, folder


def says(folder: Path, config: Config, zips: dict[str, Zip]) -> None:
    """Write what the hub's module is told."""
    document = config.model_dump(mode="json")
    document["sources"] = {source.pop("profile"): source for source in document["sources"]}
    document["code_keys"] = {service: code_key(built) for service, built in zips.items()}
    (folder / "hub.auto.tfvars.json").write_text(json.dumps(document))


def described(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Parameters with the JSON in them read: it may be written in any order."""
    return {
        name: json.loads(value) if name == "ScheduleInput" else value
        for name, value in parameters.items()
    }


def stacks(client: Callable[[str], Any]) -> dict[str, dict[str, Any]]:
    """The parameters of each stack that is there and complete, by its name."""
    return {
        stack["StackName"]: described(
            {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
        )
        for stack in client("cloudformation").describe_stacks()["Stacks"]
        if stack["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    }


def test_the_hub_is_applied_changed_and_destroyed_but_for_the_archive(
    terraform: tuple[Any, Path], config: Config, client: Callable[[str], Any], tmp_path: Path
) -> None:
    run, folder = terraform
    apply = ("apply", "-auto-approve", "-input=false")
    zips = {service: made_zip(tmp_path, service, "first") for service in NAMES}
    says(folder, config, zips)

    run(folder, *apply, "-target=module.hub.aws_cloudformation_stack.artifacts")
    bucket = f"logferry-artifacts-{config.hub_account_id}-{REGION}"
    for built in zips.values():
        client("s3").put_object(Bucket=bucket, Key=code_key(built), Body=built.path.read_bytes())
    run(folder, *apply)
    run(folder, "plan", "-detailed-exitcode")  # nothing to change

    asked = {stack.name: stack.parameters for step in hub_stacks(config, zips) for stack in step}
    found = stacks(client)
    assert found.keys() == asked.keys()
    for name, parameters in asked.items():
        assert found[name] | described(parameters) == found[name]
    outputs = json.loads(run(folder, "output", "-json"))["hub"]["value"]
    function_names = [
        *outputs["function_names"].values(),
        # A clock's alone, so no output names it.
        f"{outputs['function_names']['planner']}-coverage",
        *(
            exporter[name]
            for exporter in outputs["exporters"].values()
            for name in ("function_name", "direct_function_name")
        ),
    ]
    states = {
        function["FunctionName"]: client("lambda").get_function(
            FunctionName=function["FunctionName"]
        )["Configuration"]["State"]
        for function in client("lambda").list_functions()["Functions"]
    }
    assert states == dict.fromkeys(function_names, "Active")

    zips["planner"] = made_zip(tmp_path, "planner", "second")
    built = zips["planner"]
    client("s3").put_object(Bucket=bucket, Key=code_key(built), Body=built.path.read_bytes())
    says(folder, config, zips)
    plan = folder / "plan"
    run(folder, "plan", "-detailed-exitcode", f"-out={plan}", exit_code=CHANGED)
    planned = json.loads(run(folder, "show", "-json", str(plan)))["resource_changes"]
    changes = {c["name"]: c["change"]["actions"] for c in planned}
    assert {name for name, actions in changes.items() if actions != ["no-op"]} == {"planner"}
    assert changes["planner"] == ["update"]
    run(folder, "apply", "-input=false", str(plan))
    assert stacks(client)["logferry-planner"]["CodeKey"] == code_key(zips["planner"])

    run(folder, "destroy", "-auto-approve", "-input=false", exit_code=1)
    assert stacks(client).keys() == asked.keys()

    for name in KEPT:
        run(folder, "state", "rm", f"module.hub.aws_cloudformation_stack.{name}")
    run(folder, "destroy", "-auto-approve", "-input=false")
    assert stacks(client).keys() == {f"logferry-{name}" for name in KEPT}
    assert client("s3").head_bucket(Bucket=outputs["archive_bucket_name"])
