"""A hub on this machine, as far as its ledger is asked for: `python -m … SOURCES DAYS GROUPS`.

S3 with a ledger in which nothing is open, whose records are made when they are read, and its index,
with the counts that are put there; SQS without queues; STS. It prints its port, and at ``/calls``
how many requests it has answered.
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from logferry_contracts.ledger_key import (
    chain_note_key,
    ledger_key,
    ledger_prefix,
    source_prefix,
    split_key,
    window_of,
)
from logferry_contracts.open_exports import open_prefix, whole_key
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window

REGION = "eu-central-1"
HUB_ACCOUNT_ID = "999988887777"
OBJECTS = 10
"""Of an export that is in the archive; one in five is."""
PER_PAGE = 1000
EXAMPLES = Path(__file__).parents[2] / "contracts/examples/ledger-record/1.0/accept"
_AT = "2026-11-23T06:31:12.000Z"


def source(number: int) -> SourceName:
    """Return a source of the fleet."""
    return SourceName(profile=f"p{number}", account_id=f"{number + 1:012}", region=REGION)


def windows(days: int) -> list[Window]:
    """Return the windows of days up to yesterday, oldest first."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = (today - timedelta(days=back) for back in range(days, 0, -1))
    return [Window.between(start, start + timedelta(days=1)) for start in starts]


def _templates() -> dict[str, dict[str, object]]:
    return {name: json.loads((EXAMPLES / f"{name}.json").read_text()) for name in STATES}


STATES = ("secured", "skipped")


class Handler(BaseHTTPRequestHandler):
    """Answers a request."""

    protocol_version = "HTTP/1.1"
    sources: list[SourceName]
    windows: list[Window]
    groups: int
    calls = 0
    counts: ClassVar[dict[str, bytes]] = {}
    templates = _templates()

    def do_GET(self) -> None:
        """Answer as S3."""
        url = urlsplit(self.path)
        if url.path == "/calls":
            self._answer(str(Handler.calls).encode())
            return
        Handler.calls += 1
        _, _, key = unquote(url.path).lstrip("/").partition("/")
        if key.startswith("ledger/"):
            self._answer(self._record(key))
        elif key in self.counts:
            self._answer(self.counts[key])
        elif key:
            self._note(key)
        else:
            self._answer(self._listed(dict(parse_qsl(url.query, keep_blank_values=True))))

    def do_PUT(self) -> None:
        """Keep counts, as S3."""
        Handler.calls += 1
        _, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        self.counts[key] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")

    def do_POST(self) -> None:
        """Answer as SQS, where there is no queue, and as STS."""
        Handler.calls += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("X-Amz-Target") == "AmazonSQS.ListQueues":
            self._answer(b"{}")
            return
        if "X-Amz-Target" in self.headers:
            error = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "none"}
            self._answer(json.dumps(error).encode(), status=400)
            return
        self._answer(
            "<GetCallerIdentityResponse><GetCallerIdentityResult>"
            f"<Arn>arn:aws:iam::{HUB_ACCOUNT_ID}:root</Arn><UserId>any</UserId>"
            f"<Account>{HUB_ACCOUNT_ID}</Account></GetCallerIdentityResult>"
            "</GetCallerIdentityResponse>".encode()
        )

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _record(self, key: str) -> bytes:
        """Make a record: one of five is in the archive."""
        prefix, name = split_key(key)
        _, account_id, _, _ = prefix.split("/", 3)
        number = int(name, 16)
        record = self.templates["skipped" if number % 5 else "secured"]
        group = {**record["log_group"], "name": f"/g/{number}"}  # type: ignore[dict-item]
        named = SourceName(profile=f"p{int(account_id) - 1}", account_id=account_id, region=REGION)
        made = record | {
            "export_id": name,
            "source": named.model_dump(),
            "window": window_of(prefix).model_dump(),
            "log_group": group,
        }
        if number % 5 == 0:
            made["completed"] = _with_objects(record["completed"])
        return json.dumps(made).encode()

    def _note(self, key: str) -> None:
        for each in self.sources:
            if key == chain_note_key(each.account_id, each.region):
                self._answer(json.dumps({"dates": [{"covers": self._newest}]}).encode())
                return
        self._answer(b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>", status=404)

    @property
    def _newest(self) -> dict[str, int]:
        return self.windows[-1].model_dump()

    def _listed(self, query: dict[str, str]) -> bytes:
        prefix, after = query.get("prefix", ""), query.get("start-after", "")
        after = query.get("continuation-token", after)
        keys = [key for key in self._keys(prefix) if key > after]
        page, rest = keys[:PER_PAGE], keys[PER_PAGE:]
        is_folder = query.get("delimiter") == "/"
        entry = (
            "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>"
            if is_folder
            else f'<Contents><Key>{{}}</Key><LastModified>{_AT}</LastModified><ETag>"e"</ETag>'
            "<Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
        text = "".join(entry.format(escape(key)) for key in page)
        more = (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{escape(page[-1])}"
            "</NextContinuationToken>"
            if rest
            else "<IsTruncated>false</IsTruncated>"
        )
        return (
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{more}{text}</ListBucketResult>"
        ).encode()

    def _keys(self, prefix: str) -> Iterator[str]:
        """Yield what there is below a prefix: of a source its windows, of a window its records."""
        for each in self.sources:
            if prefix == source_prefix(each):
                yield from (ledger_prefix(each, window) for window in self.windows)
            elif prefix == open_prefix(each):
                yield whole_key(each)
            elif prefix.startswith(source_prefix(each)):
                window = window_of(prefix)
                yield from (ledger_key(each, window, f"{n:032x}") for n in range(self.groups))

    def _answer(self, body: bytes, *, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Mon, 23 Nov 2026 06:31:12 GMT")
        self.end_headers()
        self.wfile.write(body)


def _with_objects(completed: object) -> dict[str, object]:
    text = json.loads(json.dumps(completed))
    text["manifest"]["objects"] *= OBJECTS
    total_bytes = OBJECTS * text["manifest"]["total_bytes"]
    text["manifest"] |= {"object_count": OBJECTS, "total_bytes": total_bytes}
    found: dict[str, object] = text
    return found


def main(arguments: list[str]) -> None:
    """Serve until the process is ended."""
    sources, days, groups = map(int, arguments)
    Handler.sources = [source(number) for number in range(sources)]
    Handler.windows = windows(days)
    Handler.groups = groups
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201  (who started it reads it)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
