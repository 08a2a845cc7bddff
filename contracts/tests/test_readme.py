"""The README says what is there, and its Python runs."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from contracts.tests.documents import CONTRACTS, examples
from contracts.tests.sealed_archive import DAY_MS, START_MS, Archive

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.message import CloudEvent
from logferry_contracts.wire import parse

README = (CONTRACTS / "README.md").read_text("utf-8")
READING, ARCHIVE, SEARCHING, CHECKING = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
CONSOLE = "".join(re.findall(r"```console\n(\$ python.*?)```", README, flags=re.DOTALL))
COMPLETED = {each.reason: each for each in examples("accept") if each.message == "export-completed"}


def row_of(message: str) -> str:
    model = MESSAGES[message].__name__
    rows = [line for line in README.splitlines() if line.startswith(f"| [{model}]")]
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_has_a_row_with_its_schema_and_its_type(message: str) -> None:
    (schema,) = re.findall(r"\]\((schemas/.*?)\)", row_of(message))
    model = MESSAGES[message]

    assert (CONTRACTS / schema).parent.name == message
    assert (CONTRACTS / schema).is_file()
    types = re.findall(r"\(`(.*?)`\)", row_of(message))
    assert types == ([model.TYPE] if issubclass(model, CloudEvent) else [])


def test_its_python_prints_the_objects_of_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    example = COMPLETED["several-streams"]

    exec(READING, {"body": example.text})  # noqa: S102  (the README's own lines)

    assert capsys.readouterr().out.splitlines() == [
        f"{each['key']} {each['version_id']}"
        for each in example.document["data"]["manifest"]["objects"]
    ]


def test_its_python_prints_what_is_wrong_as_its_comment_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = COMPLETED["no-objects"].document
    document["data"]["window"]["from_ms"] = "2026-11-21"

    exec(READING, {"body": json.dumps(document)})  # noqa: S102  (the README's own lines)

    assert f"# {capsys.readouterr().out.strip()}\n" in READING


def test_its_python_prints_every_event_of_the_archive(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = gzip.compress(b"2026-11-21T15:00:00.000Z one\n2026-11-21T15:00:01.000Z two\n")
    event = parse(ExportCompleted, COMPLETED["several-streams"].text)
    first = (event.data.manifest.objects or [])[0].model_copy(update={"size_bytes": len(lines)})
    manifest = event.data.manifest.model_copy(update={"objects": [first]})
    data = event.data.model_copy(update={"manifest": manifest})

    class S3:
        def get_object(self, **asked: str) -> dict[str, io.BytesIO]:
            assert asked["VersionId"] == first.version_id
            return {"Body": io.BytesIO(lines)}

    monkeypatch.setattr("boto3.client", lambda _: S3())
    exec(ARCHIVE, {"event": event.model_copy(update={"data": data})})  # noqa: S102  (as above)

    stream = first.key.split("/")[-2]
    assert capsys.readouterr().out.splitlines() == [
        f"2026-11-21 15:00:00+00:00 {stream} one",
        f"2026-11-21 15:00:01+00:00 {stream} two",
    ]


def test_its_python_checks_a_sealed_archive(capsys: pytest.CaptureFixture[str]) -> None:
    archive = Archive()
    first, *_ = archive.days(3)
    archive.bucket.remove(first)
    names = {
        "store": archive.bucket,
        "chain_name": archive.chain,
        "keys": [archive.key.trusted],
    }

    exec(CHECKING, names)  # noqa: S102  (as above)

    told, verdict = capsys.readouterr().out.splitlines()
    assert told.startswith("SealsMissingError: 111122223333/eu-central-1: seal 1 is missing")
    assert verdict == "invalid"


def test_its_python_prints_what_it_finds(capsys: pytest.CaptureFixture[str]) -> None:
    archive = Archive()
    archive.days(1)
    names = {
        "store": archive.bucket,
        "chain_name": archive.chain,
        "keys": [archive.key.trusted],
        "from_ms": START_MS,
        "to_ms": START_MS + 2 * DAY_MS,
    }
    searching = SEARCHING.replace("timeout", "/app/a")

    exec(searching, names)  # noqa: S102  (as above)

    missing, *found, last = capsys.readouterr().out.splitlines()
    assert missing.startswith("unknown nothing says what became of it")
    assert len(found) == 3
    assert all(" /app/a stream-0 /app/a 0" in line for line in found)
    assert last == "True 2 []"


def test_its_commands_print_what_it_shows(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
    }
    commands = [line.removeprefix("$ ") for line in CONSOLE.splitlines() if line.startswith("$ ")]
    printed = [
        subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        ).stdout
        for command in commands
    ]

    shown = "".join(f"$ {each}\n{said}" for each, said in zip(commands, printed, strict=True))
    assert shown == CONSOLE
    assert len(commands) == 6
