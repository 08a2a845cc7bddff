"""Whatever fails of whatever call: our error comes of it, which names the call and its subject."""

import hashlib
import importlib
import inspect
import io
import json
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError

import sse_enforcer
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ManifestLocation
from logferry_contracts.message import Message
from logferry_contracts.object_secured import ObjectSecured
from logferry_contracts.open_exports import note_key
from logferry_contracts.wire import parse
from logferry_deliveries import queues
from logferry_deliveries.errors import AwsError, KmsKeyError, RetryError
from logferry_deliveries.queues import DeadLetters, Queue, Topic
from sse_enforcer.archive_key import KeyScheme
from sse_enforcer.aws.archive import Archive
from sse_enforcer.aws.control import ControlBucket, Copying
from sse_enforcer.aws.encryption import Encryption
from sse_enforcer.aws.holds import Holds
from sse_enforcer.aws.json_objects import JsonObjects
from sse_enforcer.aws.keys import KmsKeys
from sse_enforcer.aws.ledger_keys import LedgerKeys
from sse_enforcer.aws.removals import Removals
from sse_enforcer.aws.uploads import Uploads
from sse_enforcer.parts import Checksum, CopiedPart, Part
from sse_enforcer.sweep.aws import Listing, Reports
from sse_enforcer.sweep.report import SCHEDULE_KEY, Pass, Place, Report, Schedule
from sse_enforcer.verdict import ObjectVersion

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"
SOURCES = Path(sse_enforcer.__file__).parent
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/0123-wanted"
PARAMETER = "/kms/arn"
SCHEME = KeyScheme(parameter=PARAMETER, account_id="111122223333", region="eu-west-1")
CHECKSUM = Checksum("CRC64NVME", "FULL_OBJECT", "AAAA")
COPYING = Copying(source_version_id="v1", upload_id=None, request_sha256=None, busy_until=NOW)
PART = CopiedPart(1, 9, '"p"', "AAAA")
MANIFEST = json.dumps(
    json.loads((EXAMPLES / "export-completed/1.0/accept/several-streams.json").read_text())["data"][
        "manifest"
    ]
).encode()
LOCATION = ManifestLocation(
    bucket="control-bucket",
    key="manifest/x.json",
    size_bytes=len(MANIFEST),
    sha256=hashlib.sha256(MANIFEST).hexdigest(),
)
ABOUT = Pass(started_at=NOW, dry_run=True, until=NOW, key_arn=KEY_ARN, hold="off")


def example[M: Message](model: type[M], name: str) -> M:
    path = EXAMPLES / name.replace("/", "/1.0/accept/")
    return parse(model, path.with_suffix(".json").read_text())


RECORD = parse(LedgerRecord, (EXAMPLES / "ledger-record/1.0/accept/completed.json").read_text())
NOT_TOLD = parse(
    LedgerRecord,
    (EXAMPLES / "ledger-record/1.0/accept/completed-not-published-yet.json").read_text(),
)
SECURED = example(ObjectSecured, "object-secured/copied-and-on-hold")


ANSWERS: dict[str, Any] = {
    "head_object": {"ContentLength": 9, "ETag": '"e"', "Metadata": {}},
    "get_bucket_versioning": {"Status": "Enabled"},
    "get_object_tagging": {"TagSet": []},
    "create_multipart_upload": {"UploadId": "u"},
    "upload_part_copy": {"CopyPartResult": {"ETag": '"p"'}},
    "put_object": {"ETag": '"e"'},
    "get_parameter": {"Parameter": {"Name": PARAMETER, "Value": KEY_ARN, "Type": "String"}},
    "get_parameters_by_path": {"Parameters": []},
    "describe_key": {"KeyMetadata": {"KeyState": "Enabled", "KeySpec": "SYMMETRIC_DEFAULT"}},
    "list_object_versions": {"IsTruncated": False},
    "list_objects_v2": {"IsTruncated": False},
    "list_multipart_uploads": {"IsTruncated": False},
}


class Client:
    """The clients of all services: each operation answers as if it had worked, but one."""

    def __init__(self, stored: bytes, failing: str | None, failure: Exception | None) -> None:
        self.called: list[str] = []
        self._stored, self._failing, self._failure = stored, failing, failure

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**_: Any) -> Any:
            self.called.append(operation)
            if operation == self._failing and self._failure is not None:
                raise self._failure
            if operation == "get_object":
                return {"Body": self._body(), "ETag": '"e"'}
            return ANSWERS.get(operation, {})

        return call

    def get_paginator(self, operation: str) -> "Client.Pages":
        return self.Pages(getattr(self, operation))

    @dataclass
    class Pages:
        call: Callable[..., Any]

        def paginate(self, **request: Any) -> Any:
            yield self.call(**request)

    def _body(self) -> io.BytesIO:
        body = io.BytesIO(self._stored)
        if self._failing == "read" and self._failure is not None:
            failure = self._failure

            def read(*_: Any) -> bytes:
                raise failure

            body.read = read  # type: ignore[method-assign]
        return body


def coded(code: str, status: int) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "so AWS says"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "r",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "Any",
    )


FAILURES = {
    "throttled": coded("SlowDown", 503),
    "internal": coded("InternalError", 500),
    "denied": coded("AccessDenied", 403),
    "denied, as JSON services say it": coded("AccessDeniedException", 403),
    "refused by KMS": coded("KMS.DisabledException", 400),
    "not reached": EndpointConnectionError(endpoint_url="https://s3.eu-west-1.amazonaws.com"),
    "answered with half a document": ResponseParserError("invalid XML received"),
    "silent": ReadTimeoutError(endpoint_url="https://s3.eu-west-1.amazonaws.com"),
}


@dataclass(frozen=True)
class Use:
    """A use of an adapter's method.

    Attributes:
        of: Makes the adapter out of a client.
        about: What the error names.
        stored: What GetObject finds.
    """

    of: Callable[[Any], Any]
    do: Callable[[Any, ObjectVersion], object]
    about: str
    stored: bytes = b"{}"


def archive(client: Any) -> Archive:
    return Archive(client, "b")


def control(client: Any) -> ControlBucket:
    return ControlBucket(client, "b")


def uploads(client: Any) -> Uploads:
    return Uploads(client, "b")


def listing(client: Any) -> Listing:
    return Listing(client, "archive", "control")


def reports(client: Any) -> Reports:
    return Reports(client, "b")


def json_objects(client: Any) -> JsonObjects:
    return JsonObjects(client, "b")


def ledger_keys(client: Any) -> LedgerKeys:
    return LedgerKeys(client, "b")


def encoded(name: str) -> bytes:
    return (EXAMPLES / name).read_bytes()


REPORT = Report(about=ABOUT, updated_at=NOW)
USES: dict[str, Use] = {
    "Archive.describe": Use(archive, lambda it, _: it.describe("k", "v1"), "k (version v1)"),
    "Archive.describe_current": Use(
        archive, lambda it, _: it.describe_current("k"), "k (version current)"
    ),
    "Archive.keeps_versions": Use(archive, lambda it, _: it.keeps_versions(), "b"),
    "Archive.first_part_bytes": Use(
        archive, lambda it, version: it.first_part_bytes(version), "k (version v1)"
    ),
    "Archive.tags": Use(archive, lambda it, version: it.tags(version), "k (version v1)"),
    "Encryption.reencrypt": Use(
        lambda client: Encryption(client, "b"),
        lambda it, version: it.reencrypt(version, KEY_ARN),
        "k (version v1)",
    ),
    "Encryption.copy": Use(
        lambda client: Encryption(client, "b"),
        lambda it, version: it.copy(version, KEY_ARN, None),
        "k (version v1)",
    ),
    "Uploads.request": Use(
        uploads, lambda it, version: it.request(version, KEY_ARN, None, CHECKSUM, []), ""
    ),
    "Uploads.begin": Use(uploads, lambda it, _: it.begin({"Bucket": "b", "Key": "k"}), "k"),
    "Uploads.parts": Use(uploads, lambda it, _: it.parts("k", "u", CHECKSUM), "k (upload u)"),
    "Uploads.copy_part": Use(
        uploads,
        lambda it, version: it.copy_part(version, "u", Part(3, 0, 4), CHECKSUM),
        "k (version v1), part 3",
    ),
    "Uploads.complete": Use(
        uploads,
        lambda it, version: it.complete(version, "u", [PART], CHECKSUM),
        "k (version v1)",
    ),
    "Uploads.abort": Use(uploads, lambda it, _: it.abort("k", "u"), "k (upload u)"),
    "Holds.place": Use(
        lambda client: Holds(client, "b"), lambda it, version: it.place(version), "k (version v1)"
    ),
    "Removals.remove": Use(
        lambda client: Removals(client, "b"),
        lambda it, version: it.remove(version),
        "k (version v1)",
    ),
    "JsonObjects.read": Use(json_objects, lambda it, _: it.read("x.json"), "x.json"),
    "JsonObjects.write": Use(json_objects, lambda it, _: it.write("x.json", "{}", {}), "x.json"),
    "ControlBucket.ledger_record": Use(
        control,
        lambda it, _: it.ledger_record(RECORD.key),
        RECORD.key,
        encoded("ledger-record/1.0/accept/completed.json"),
    ),
    "ControlBucket.replace_ledger_record": Use(
        control, lambda it, _: it.replace_ledger_record(RECORD, '"e"'), RECORD.key
    ),
    "ControlBucket.note_open": Use(
        control, lambda it, _: it.note_open(NOT_TOLD), note_key(NOT_TOLD)
    ),
    "ControlBucket.manifest": Use(
        control,
        lambda it, _: it.manifest(LOCATION),
        "manifest/x.json",
        MANIFEST,
    ),
    "ControlBucket.replacement": Use(
        control,
        lambda it, _: it.replacement("b", "k", "v1"),
        "replaced/",
        encoded("object-secured/1.0/accept/copied-and-on-hold.json"),
    ),
    "ControlBucket.record_replacement": Use(
        control, lambda it, _: it.record_replacement("v1", SECURED), "replaced/"
    ),
    "ControlBucket.copying": Use(
        control,
        lambda it, _: it.copying("b", "k"),
        "copying/",
        json.dumps(vars(COPYING), default=datetime.isoformat).encode(),
    ),
    "ControlBucket.record_copying": Use(
        control, lambda it, _: it.record_copying("b", "k", COPYING), "copying/"
    ),
    "ControlBucket.take_copying": Use(
        control, lambda it, _: it.take_copying("b", "k", COPYING, None), "copying/"
    ),
    "Topic.publish": Use(
        lambda client: Topic(client, "arn"), lambda it, _: it.publish(SECURED), SECURED.id
    ),
    "DeadLetters.send": Use(
        lambda client: DeadLetters(client, "https://sqs/dead", "sse-enforcer"),
        lambda it, _: it.send("{}", reason="contract", detail="bad"),
        "a dead letter (contract)",
    ),
    "Queue.give_back": Use(
        lambda client: Queue(client, "https://sqs/queue"),
        lambda it, _: it.give_back("handle", 30),
        "https://sqs/queue",
    ),
    "KmsKeys.key_arn": Use(
        lambda client: KmsKeys(client, client, SCHEME, 300), lambda it, _: it.key_arn("k"), ""
    ),
    "LedgerKeys.sources": Use(ledger_keys, lambda it, _: it.sources("shop"), "b"),
    "LedgerKeys.windows": Use(ledger_keys, lambda it, _: it.windows(RECORD.source, 0, 1), "b"),
    "LedgerKeys.export_ids": Use(
        ledger_keys, lambda it, _: it.export_ids(RECORD.source, RECORD.window), "b"
    ),
    "Listing.versions": Use(listing, lambda it, _: it.versions(Place(phase="versions")), "archive"),
    "Listing.below": Use(listing, lambda it, _: list(it.below("p/")), "archive"),
    "Listing.ledger": Use(listing, lambda it, _: it.ledger(None), "control"),
    "Listing.uploads": Use(listing, lambda it, _: it.uploads(), "archive"),
    "Reports.schedule": Use(reports, lambda it, _: it.schedule(), SCHEDULE_KEY),
    "Reports.report": Use(
        reports,
        lambda it, _: it.report(ABOUT.report_key),
        ABOUT.report_key,
        REPORT.model_dump_json().encode(),
    ),
    "Reports.store_schedule": Use(
        reports, lambda it, _: it.store_schedule(Schedule()), SCHEDULE_KEY
    ),
    "Reports.store": Use(reports, lambda it, _: it.store(REPORT.model_copy()), ABOUT.report_key),
}


def test_every_method_that_calls_aws_is_tried_here() -> None:
    def modules(package: ModuleType) -> list[str]:
        found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        return [each.name for each in found if "aws" in each.name.split(".")]

    adapters = {
        f"{name}.{method}"
        for module in map(importlib.import_module, [*modules(sse_enforcer), queues.__name__])
        for name, made in inspect.getmembers(module, inspect.isclass)
        if made.__module__ == module.__name__ and "__dataclass_fields__" not in vars(made)
        for method, _ in inspect.getmembers(made, inspect.isfunction)
        if not method.startswith("_")
    }
    assert adapters == set(USES)


@pytest.mark.parametrize(
    "module", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES))
)
def test_aws_is_called_in_the_adapters_alone(module: Path) -> None:
    is_adapter = "aws" in module.parent.parts[-1:] or module.stem == "aws"
    is_entry = module.name == "handler.py"
    imports = re.search(r"^(import|from) (boto3|botocore)\b", module.read_text(), re.MULTILINE)
    assert imports is None or is_adapter or is_entry


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_failed_call_is_our_error_with_its_operation_and_subject(
    use: Use, failure: Exception, version_of: Callable[..., ObjectVersion]
) -> None:
    version = version_of(tag_count=1)
    fine = Client(use.stored, None, None)
    use.do(use.of(fine), version)

    for operation in fine.called:
        with pytest.raises(RetryError) as raised:
            use.do(use.of(Client(use.stored, operation, failure)), version)

        assert isinstance(raised.value, AwsError | KmsKeyError)
        assert raised.value.__cause__ is failure
        assert named(operation) in str(raised.value)
        assert use.about in str(raised.value)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_content_that_breaks_off_is_a_failed_call(
    use: Use, version_of: Callable[..., ObjectVersion]
) -> None:
    version = version_of(tag_count=1)
    fine = Client(use.stored, None, None)
    use.do(use.of(fine), version)
    failure = ResponseStreamingError(error="IncompleteRead(3 bytes read, 6 more expected)")
    broken = use.of(Client(use.stored, "read", failure))

    if "get_object" in fine.called:
        with pytest.raises(AwsError, match=f"GetObject of {use.about}.*3 bytes read"):
            use.do(broken, version)
    else:
        use.do(broken, version)


def test_the_reason_of_a_head_that_has_none_is_asked_for_with_the_same_care() -> None:
    class Headless(Client):
        def __getattr__(self, operation: str) -> Callable[..., Any]:
            if operation == "head_object":
                self._failing, self._failure = "head_object", coded("400", 400)
            elif operation == "get_object":
                self._failing, self._failure = "get_object", FAILURES["silent"]
            return super().__getattr__(operation)

    with pytest.raises(AwsError, match=r"HeadObject of k \(version v1\): ReadTimeoutError"):
        archive(Headless(b"", None, None)).describe("k", "v1")


def named(operation: str) -> str:
    """Return AWS's name of a client's method."""
    return "".join(word.capitalize() for word in operation.split("_"))
