"""Events as files that others read: lines as they were archived, JSON lines, CSV, or Parquet."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal

from logferry.fetch import TAG, Folder
from logferry.runs import merged
from logferry_contracts.log_line import STAMP_LENGTH

type Form = Literal["text", "json", "csv", "parquet", "bag"]

_MESSAGE = STAMP_LENGTH + len(b" ")
_KNOWN_SOURCES = 4096
_COLUMNS = ("at", "account_id", "region", "profile", "log_group", "stream", "message")
_OBJECT = ("key", "version_id", "sha256")


def written(folder: Folder, form: Form) -> Iterator[bytes]:
    """Yield what a file of this form has, in pieces, from the oldest event on.

    Of Parquet and a bag these are the JSON lines that they are made of.
    """
    some = (events for parts in folder.slices() for events in merged(parts))
    if form == "text":
        for events in some:
            yield b"\n".join(events) + b"\n"
        return
    source = lru_cache(_KNOWN_SOURCES)(folder.source)
    write = _as_csv if form == "csv" else _as_json
    if form == "csv":
        yield _as_csv([dict(zip(_HEADER, _HEADER, strict=True))])
    for events in some:
        yield write(_document(each, source) for each in events)


_HEADER = (*_COLUMNS, *_OBJECT)


def _document(event: bytes, source: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    number = int(event[TAG], 16)
    return {
        "at": event[:STAMP_LENGTH].decode(),
        **source(number),
        "message": event[TAG.stop + 1 :].decode("utf-8", "backslashreplace"),
    }


def _as_json(events: Iterable[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(each)}\n" for each in events).encode()


def _as_csv(events: Iterable[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.DictWriter(text, _HEADER, lineterminator="\r\n")  # RFC 4180
    rows.writerows(events)
    return text.getvalue().encode()
