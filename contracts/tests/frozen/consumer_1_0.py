"""A consumer as a team wrote it for the events of version 1.0, with nothing but its own code.

It stays as it is: what it reads today it has to read for as long as there is a 1.n. Its checks are
those of the schemas of 1.0, and it stops at whatever is not as it was promised.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Unreadable(Exception):
    """A message is not as version 1.0 promised."""


@dataclass(frozen=True)
class LogObject:
    key: str
    version_id: str
    size_bytes: int


@dataclass(frozen=True)
class Completed:
    event: tuple[str, str]
    account_id: str
    log_group_name: str
    from_ms: int
    to_ms: int
    bucket: str
    lane: str
    task_id: str | None
    objects: tuple[LogObject, ...] | None
    manifest_key: str | None
    total_bytes: int


@dataclass(frozen=True)
class Failed:
    event: tuple[str, str]
    log_group_name: str
    reason: str
    mend: str
    will_be_retried: bool


@dataclass(frozen=True)
class Secured:
    event: tuple[str, str]
    key: str
    version_id: str
    legal_hold: bool
    encryption: str


@dataclass(frozen=True)
class Planned:
    event: tuple[str, str]
    windows: int
    found: int
    requested: int
    already_in_ledger: int
    skipped: dict[str, int]


type Event = Completed | Failed | Secured | Planned


def read(body: str) -> Event:
    event = json.loads(body)
    if (event["specversion"], event["datacontenttype"]) != ("1.0", "application/json"):
        raise Unreadable("not CloudEvents 1.0 in JSON")
    readers: dict[str, Callable[[tuple[str, str], Any], Event]] = {
        "logferry.export.completed.v1": _completed,
        "logferry.export.failed.v1": _failed,
        "logferry.object.secured.v1": _secured,
        "logferry.plan.completed.v1": _planned,
    }
    if event["type"] not in readers:
        raise Unreadable(f"an event of the type {event['type']}")
    return readers[event["type"]]((_text(event, "source"), _text(event, "id")), event["data"])


def _completed(event: tuple[str, str], data: Any) -> Completed:
    manifest = data["manifest"]
    listed, location = manifest.get("objects"), manifest.get("location")
    if (listed is None) == (location is None):
        raise Unreadable("objects or location")
    objects = None
    if listed is not None:
        objects = tuple(
            LogObject(_text(o, "key"), _text(o, "version_id"), _count(o, "size_bytes"))
            for o in listed
        )
        if len(objects) != _count(manifest, "object_count"):
            raise Unreadable("object_count")
        if sum(o.size_bytes for o in objects) != _count(manifest, "total_bytes"):
            raise Unreadable("total_bytes")
    window = data["window"]
    if window["from_ms"] >= window["to_ms"]:
        raise Unreadable("window")
    return Completed(
        event,
        _text(data["source"], "account_id"),
        _text(data, "log_group_name"),
        _count(window, "from_ms"),
        _count(window, "to_ms"),
        _text(data["destination"], "bucket"),
        _one_of(data["lane"], "slot", "direct"),
        _text(data, "task_id") if "task_id" in data else None,
        objects,
        _text(location, "key") if location is not None else None,
        _count(manifest, "total_bytes"),
    )


def _failed(event: tuple[str, str], data: Any) -> Failed:
    return Failed(
        event,
        _text(data, "log_group_name"),
        _text(data, "reason"),
        _text(data, "mend"),
        _flag(data, "will_be_retried"),
    )


def _secured(event: tuple[str, str], data: Any) -> Secured:
    return Secured(
        event,
        _text(data, "key"),
        _text(data, "version_id"),
        _one_of(data["legal_hold"], "ON", "OFF") == "ON",
        _one_of(data["encryption"], "already_right", "updated_in_place", "copied"),
    )


def _planned(event: tuple[str, str], data: Any) -> Planned:
    return Planned(
        event,
        len(data["windows"]),
        _count(data, "found"),
        _count(data, "requested"),
        _count(data, "already_in_ledger"),
        {reason: _count(data["skipped"], reason) for reason in data["skipped"]},
    )


def _text(parent: Any, name: str) -> str:
    value = parent[name]
    if not isinstance(value, str) or not value:
        raise Unreadable(name)
    return value


def _count(parent: Any, name: str) -> int:
    value = parent[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unreadable(name)
    return value


def _flag(parent: Any, name: str) -> bool:
    value = parent[name]
    if not isinstance(value, bool):
        raise Unreadable(name)
    return value


def _one_of(value: str, *known: str) -> str:
    if value not in known:
        raise Unreadable(value)
    return value
