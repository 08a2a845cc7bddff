"""The function, with stand-ins for its AWS clients."""

import gzip
import io
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from botocore.exceptions import ClientError
from examples.subscriber import count_lines

from logferry_contracts.documents import examples
from logferry_contracts.events import MAX_EVENT_BYTES
from logferry_contracts.wire import Reason

README = (Path(__file__).parents[1] / "README.md").read_text()

COMPLETED = next(
    each.document
    for each in examples("accept", "export-completed")
    if each.reason == "several-streams"
)
FAILED = next(iter(examples("accept", "export-failed"))).text
LINES = gzip.compress(b"2026-11-21T15:00:00.000Z one\n2026-11-21T15:00:01.000Z two\nlines\n")


class Archive:
    """Every object has the same lines; versions can be gone."""

    def __init__(self) -> None:
        self.gone = ""
        self.asked: list[str | None] = []

    def get_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> Any:  # noqa: N803
        self.asked.append(VersionId)
        if self.gone and VersionId:
            raise ClientError({"Error": {"Code": self.gone, "Message": "-"}}, "GetObject")
        return {"Body": io.BytesIO(LINES)}


class Own:
    """The bucket of counts and the dead-letter queue."""

    def __init__(self) -> None:
        self.counts: dict[str, Any] = {}
        self.letters: list[dict[str, Any]] = []
        self.broken = False

    def put_object(self, *, Bucket: str, Key: str, Body: str) -> None:  # noqa: N803
        if self.broken:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "-"}}, "PutObject")
        self.counts[f"{Bucket}/{Key}"] = json.loads(Body)

    def send_message(self, **letter: Any) -> None:
        self.letters.append(letter)


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Archive:
    archive = Archive()
    monkeypatch.setattr(count_lines, "archive_client", lambda: archive)
    return archive


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Own:
    own = Own()
    monkeypatch.setattr(count_lines, "client", lambda _: own)
    monkeypatch.setenv("COUNTS_BUCKET", "counts")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "https://dlq")
    return own


def event(number: int = 1) -> dict[str, Any]:
    """Return an event of two objects, of the size that `Archive` has."""
    document: dict[str, Any] = json.loads(json.dumps({**COMPLETED, "id": f"event-{number}"}))
    manifest = document["data"]["manifest"]
    manifest["objects"] = [{**each, "size_bytes": len(LINES)} for each in manifest["objects"][:2]]
    manifest.update(object_count=2, total_bytes=2 * len(LINES))
    return document


def records(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": str(n), "body": body} for n, body in enumerate(bodies)]}


def reasons(own: Own) -> list[str]:
    return [letter["MessageAttributes"]["reason"]["StringValue"] for letter in own.letters]


def test_what_an_export_put_into_the_archive_is_counted_and_written_down(
    archive: Archive, own: Own
) -> None:
    answer = count_lines.handle(records(json.dumps(event())), None)

    assert answer == {"batchItemFailures": []}
    assert own.counts == {
        "counts/event-1.json": {
            "log_group": "/aws/lambda/orders",
            **COMPLETED["data"]["window"],
            "events": 4,
            "lines": 6,
        }
    }


def test_other_events_are_let_be(archive: Archive, own: Own) -> None:
    assert count_lines.handle(records(FAILED), None) == {"batchItemFailures": []}
    assert (own.counts, own.letters, archive.asked) == ({}, [], [])


@pytest.mark.parametrize("refusal", ["NoSuchVersion", "AccessDenied"])
def test_a_version_that_is_gone_is_read_as_what_has_replaced_it(
    archive: Archive, own: Own, refusal: str
) -> None:
    archive.gone = refusal

    count_lines.handle(records(json.dumps(event())), None)

    assert own.counts["counts/event-1.json"]["events"] == 4
    assert archive.asked[1] is None


def test_only_the_message_that_fails_for_a_passing_reason_comes_again(
    archive: Archive, own: Own
) -> None:
    archive.gone = "SlowDown"
    bodies = [FAILED, json.dumps(event()), "{"]

    assert count_lines.handle(records(*bodies), None) == {
        "batchItemFailures": [{"itemIdentifier": "1"}]
    }
    assert reasons(own) == ["not_json"]


def test_a_count_that_cannot_be_written_comes_again(archive: Archive, own: Own) -> None:
    own.broken = True

    answer = count_lines.handle(records(json.dumps(event())), None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        ("{", "not_json", "not a valid logferry event: (the message): Invalid JSON"),
        ("x" * (MAX_EVENT_BYTES + 1), "too_long", "(the message): 262,145 bytes, of at most"),
        ('{"type": "com.example"}', "unknown_type", "type: none of logferry."),
        ('{"type": "logferry.export.completed.v2"}', "unknown_major", "it needs a newer package"),
        (json.dumps({**event(), "id": 1}), "contract", "not a valid ExportCompleted: id: "),
    ],
)
def test_what_cannot_be_read_is_put_aside_with_its_reason(
    archive: Archive, own: Own, body: str, reason: str, detail: str
) -> None:
    assert count_lines.handle(records(body), None) == {"batchItemFailures": []}

    (letter,) = own.letters
    assert (letter["QueueUrl"], letter["MessageBody"]) == ("https://dlq", body)
    assert reasons(own) == [reason]
    assert detail in letter["MessageAttributes"]["detail"]["StringValue"]


def test_the_readme_says_what_every_reason_means() -> None:
    for reason in get_args(Reason.__value__):
        assert f"| `{reason}` |" in README
