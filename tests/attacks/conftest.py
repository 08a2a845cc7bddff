"""A sealed archive of four dates, and `logferry verify` on it."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from contracts.tests.sealed_archive import SOURCE, Archive, SealingKey
from moto import mock_aws
from tests.attacks.places import Folder, S3Bucket

from logferry import work
from logferry.audit_page import HEADLINES
from logferry.command import main
from logferry.commands.console import BAD_INPUT
from logferry.config import Config
from logferry_contracts.verification.findings import Verdict

VERDICTS: dict[int, Verdict] = {0: "valid", 1: "invalid", 3: "unchecked"}

type Place = Folder | S3Bucket


@dataclass
class Attacked:
    """An archive, and the keys that whoever checks it trusts.

    Attributes:
        where: What the command is given: a configuration's file or a folder.
        place: What it is in.
    """

    archive: Archive
    where: Path
    place: Place
    pinned: list[SealingKey]

    @property
    def objects(self) -> list[str]:
        return self.place.listed(f"{SOURCE.profile}/")

    @property
    def statements(self) -> list[str]:
        return self.place.listed(f"!seals/{self.archive.chain}/statements/")

    def seal_key(self, sequence: int) -> str:
        return f"!seals/{self.archive.chain}/seals/{sequence:010d}.json"


@dataclass(frozen=True)
class Answer:
    """What the command said.

    Attributes:
        found: ``finding`` of each line, without the lawful ones, each once.
        chains: The lines of the chains.
    """

    code: int
    lines: list[dict[str, Any]]
    chains: list[dict[str, Any]]

    @property
    def found(self) -> set[str]:
        return {each["finding"] for each in self.lines} - {"note"}

    def about(self, finding: str) -> list[dict[str, Any]]:
        """Return the lines of a kind."""
        return [each for each in self.lines if each["finding"] == finding]


type Verify = Callable[..., Answer]


class Here:
    """Does what the command has its processes do, which would take most of an attack's time.

    That they find the same is shown in `cli/tests/test_work.py`.
    """

    mapped = staticmethod(map)

    def stop(self) -> None:
        """Nothing was begun."""


@pytest.fixture
def verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Verify:
    """Run the command with the pinned keys; its page for auditors says what its exit code does."""
    monkeypatch.setattr(work, "processes", lambda _archive: Here())
    numbers = count()

    def verify(attacked: Attacked, level: str = "events", *options: str) -> Answer:
        keys: list[str] = []
        for number, each in enumerate(attacked.pinned):
            path = tmp_path / f"pinned-{number}.pem"
            path.write_text(each.pem)
            keys += ["--key", str(path)]
        report = tmp_path / f"report-{next(numbers)}.html"
        given = [*keys, "--level", level, "--report", str(report), "--json", *options]
        with pytest.raises(SystemExit) as ended:
            main(["verify", str(attacked.where), *given])
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert isinstance(ended.value.code, int)
        if ended.value.code == BAD_INPUT:
            assert not report.exists()
        else:
            headline = HEADLINES[VERDICTS[ended.value.code]]
            assert f"<strong>{headline}</strong>" in report.read_text("utf-8")
        if "SECOND_VERIFIER" in os.environ and isinstance(attacked.place, Folder) and not options:
            said = second_verdict("archive", attacked.where, *keys, "--level", level)
            assert said.returncode == ended.value.code, f"{level}\n{said.stdout}{said.stderr}"
        return Answer(
            ended.value.code,
            [each for each in lines if "finding" in each],
            [each for each in lines if "verdict" in each],
        )

    return verify


def second_verdict(what: str, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Have an archive, or a proof, checked by what is written from docs/seal-format.md."""
    node = shutil.which("node")
    assert node is not None, "no Node.js on the PATH: Debian's package nodejs brings it"
    script = Path(__file__).parent / "second" / f"{what}.mjs"
    command = [node, str(script), str(file), *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path: Path) -> Attacked:
    """A copy of a sealed archive."""
    place = Folder(tmp_path / "copy")
    archive = Archive(place)
    archive.days(4)
    return Attacked(archive, place.root, place, [archive.key])


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all: each reads its models anew."""
    return boto3.Session("any", "any", region_name=SOURCE.region)


@pytest.fixture
def bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: boto3.Session
) -> Iterator[Attacked]:
    """A sealed archive in its bucket."""
    document = {
        "region": SOURCE.region,
        "hub_account_id": "999988887777",
        "sources": [
            {
                "profile": SOURCE.profile,
                "account_id": SOURCE.account_id,
                "schedule": "rate(1 day)",
            }
        ],
    }
    where = tmp_path / "organization.yaml"
    where.write_text(yaml.safe_dump(document))
    monkeypatch.setattr(boto3, "Session", lambda: session)
    with mock_aws():
        s3 = session.client("s3")
        name = Config.model_validate(document).archive_bucket
        place = S3Bucket(s3, name, SOURCE.region)
        archive = Archive(place)
        archive.days(4, ["/app/a"])
        yield Attacked(archive, where, place, [archive.key])


@pytest.fixture(params=[pytest.param("bucket", marks=pytest.mark.deep), "folder"])
def attacked(request: pytest.FixtureRequest) -> Attacked:
    """The same archive in either place."""
    found: Attacked = request.getfixturevalue(request.param)
    return found
