"""The object keys of the control bucket that services share.

Records of the ledger, long manifests, open dates, inventories, recounts, and who reads.

``ledger/<account>/<Region>/<from_ms>-<to_ms>/<export id>.json``, with 15 digits for each time, so
that keys are in the order of their windows.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator

from logferry_contracts.source import SourceName
from logferry_contracts.window import Window

LEDGER = "ledger/"
"""What the keys of all records begin with, and no others."""

CONTRADICTED_NOTES = "contradicted"
"""Of exports of which a seal says that ledger and archive say different things."""
LACKING_NOTES = "lacking"
"""Of exports of which a seal says that CloudWatch Logs has more events than the archive."""

OPEN_DAY = ".sent.json"
"""What `open_day_key` ends with."""

_INVENTORIES = "inventories/"
_READING = "reading/"
_MANIFESTS = "manifest/"
_RECOUNTS = "recounts/"
_INVENTORY = re.compile(r"([0-9]{15})-[^/]+\.jsonl", re.ASCII)
_LOOK = re.compile(r"/!([1-9][0-9]{0,5})/\Z", re.ASCII)
_WINDOW = re.compile(r"/([0-9]{15})-([0-9]{15})/\Z", re.ASCII)


def source_prefix(source: SourceName) -> str:
    """Return what the keys of all records of one account and Region begin with."""
    return f"{LEDGER}{source.account_id}/{source.region}/"


def ledger_prefix(source: SourceName, window: Window) -> str:
    """Return what the keys of all records of one source and window begin with."""
    return f"{source_prefix(source)}{window.in_keys}/"


def ledger_key(source: SourceName, window: Window, export_id: str) -> str:
    """Return the object key of one record in the control bucket."""
    return f"{ledger_prefix(source, window)}{export_id}.json"


def manifest_key(source: SourceName, window: Window, export_id: str) -> str:
    """Return the object key of a manifest that is too long for an event."""
    return f"{_MANIFESTS}{ledger_key(source, window, export_id).removeprefix(LEDGER)}"


def source_recounts_prefix(source: SourceName) -> str:
    """Return what the keys of all recounts of one account and Region begin with."""
    return in_recounts(source_prefix(source))


def recounts_prefix(source: SourceName, window: Window) -> str:
    """Return what the keys of all recounts of one source and window begin with."""
    return in_recounts(ledger_prefix(source, window))


def beside_recounts(source: SourceName, window: Window) -> str:
    """Return what the keys begin with of all that is noted of a window beside its recounts."""
    return f"{recounts_prefix(source, window)}!"


def looks_prefix(source: SourceName, window: Window, days: int) -> str:
    """Return what the keys begin with of what was found so many days after a window's end."""
    return f"{beside_recounts(source, window)}{days}/"


def days_of_looks(prefixes: Iterable[str]) -> list[int]:
    """Return after how many days looks were made, in order.

    Args:
        prefixes: What S3 lists below `beside_recounts`, up to a slash: a `looks_prefix` each, or
            others.
    """
    return sorted(int(found[1]) for each in prefixes if (found := _LOOK.search(each)) is not None)


def asked_key(source: SourceName, window: Window, export_id: str, recounted_at: str) -> str:
    """Return the key of the note that an exporter was asked to add what a witness has seen.

    Args:
        source: Whose export it is.
        window: The export's.
        export_id: The export's.
        recounted_at: The ``at`` of what the witness has said.
    """
    return f"{beside_recounts(source, window)}asked/{export_id}-{recounted_at}.json"


def not_added_key(source: SourceName, window: Window, export_id: str, recounted_at: str) -> str:
    """Return the key of the note that nobody can add it; see `asked_key`."""
    return f"{beside_recounts(source, window)}not-added/{export_id}-{recounted_at}.json"


def late_key(source: SourceName, window: Window, export_id: str) -> str:
    """Return the key of what a look has said that has seen late events and has not counted them."""
    return f"{late_prefix(source, window)}{export_id}.json"


def late_prefix(source: SourceName, window: Window | None = None) -> str:
    """Return what the keys begin with of late events of a window that no look has counted.

    Args:
        source: Whose they are.
        window: None for all windows.
    """
    folder = "" if window is None else f"{window.in_keys}/"
    return f"{source_recounts_prefix(source)}!late/{folder}"


def in_recounts(key: str) -> str:
    """Return the key of the recount of a record, or what it begins with for what that does."""
    return f"{_RECOUNTS}{key.removeprefix(LEDGER)}"


def in_ledger(key: str) -> str:
    """Return the key of the record whose recount has this key."""
    return f"{LEDGER}{key.removeprefix(_RECOUNTS)}"


def recount_key(source: SourceName, window: Window, export_id: str) -> str:
    """Return the object key of what CloudWatch Logs itself counted of one export."""
    return f"{recounts_prefix(source, window)}{export_id}.json"


def reading_prefix(source: SourceName) -> str:
    """Return what the keys begin with of the notes of those who read log events of a source.

    The rest of a key is the reader; see `logferry_contracts.reads`.
    """
    return f"{_READING}{source.account_id}/{source.region}/"


def days_prefix(source: SourceName) -> str:
    """Return what the keys of the notes of an account's and Region's dates begin with."""
    return f"plans/{source.account_id}/{source.region}/days/"


def open_day_key(source: SourceName, day_planned_id: str) -> str:
    """Return the key of the note that a date's end has been asked for and not been told yet.

    Whoever asks writes it, and whoever publishes DayCompleted removes it.
    """
    return f"{days_prefix(source)}{day_planned_id}{OPEN_DAY}"


def inventories_prefix(source: SourceName) -> str:
    """Return what the keys of an account's and Region's inventories begin with."""
    return f"{_INVENTORIES}{source.account_id}/{source.region}/"


def inventories_from(source: SourceName, planned_at_ms: int) -> str:
    """Return what sorts before the keys of the inventories of then or later, and after others'."""
    return f"{inventories_prefix(source)}{planned_at_ms:015d}"


def inventory_key(source: SourceName, planned_at_ms: int, plan_id: str) -> str:
    """Return the object key of the inventory of a plan.

    Args:
        source: What was planned.
        planned_at_ms: When the plan began to list.
        plan_id: Tells it from another plan of the same millisecond.
    """
    return f"{inventories_from(source, planned_at_ms)}-{plan_id}.jsonl"


def inventory_planned_at(source: SourceName, key: str) -> int | None:
    """Return when the plan of an inventory began to list; None of what is no inventory's key.

    Such as a folder that somebody has made there, whose name sorts after those of all inventories.
    """
    name = _INVENTORY.fullmatch(key.removeprefix(inventories_prefix(source)))
    return None if name is None else int(name[1])


def chain_note_key(account_id: str, region: str) -> str:
    """Return the key of what the sealer has noted of an account's and Region's chain."""
    return f"seals/{account_id}/{region}/chain.json"


def seal_notes_prefix(what: str, account_id: str, region: str) -> str:
    """Return what the keys of the sealer's notes for people begin with.

    ``<from_ms>-<to_ms>/<SHA-256 of the log group's name>.json`` follows. A note says the log
    group's name, or nothing once a later seal says otherwise of it.

    Args:
        what: `CONTRADICTED_NOTES` or `LACKING_NOTES`.
        account_id: The source's.
        region: The source's.
    """
    return f"seals/{account_id}/{region}/{what}/"


def seal_note_key(
    what: str, account_id: str, region: str, window: Window, log_group_name: str
) -> str:
    """Return the key of such a note of one log group's window."""
    name = hashlib.sha256(log_group_name.encode()).hexdigest()
    return f"{seal_notes_prefix(what, account_id, region)}{window.in_keys}/{name}.json"


def starting_at(source: SourceName, from_ms: int) -> str:
    """Return what sorts before the keys of a source's windows that start then or later.

    And after all keys of its windows that start earlier.
    """
    return f"{source_prefix(source)}{from_ms:015d}"


def split_key(key: str) -> tuple[str, str]:
    """Return the `ledger_prefix` and the export id of a record's key."""
    folder, _, name = key.rpartition("/")
    return f"{folder}/", name.removesuffix(".json")


def is_past(prefix: str, last: str) -> bool:
    """Whether a listing is behind a window's `ledger_prefix`.

    A folder that somebody has made within it ends nothing, though it comes later.
    """
    return prefix > last and not prefix.startswith(last)


def window_of(prefix: str) -> Window:
    """Return the window of a `ledger_prefix`.

    Raises:
        ValueError: It is none.
    """
    edges = _WINDOW.search(prefix)
    if edges is None:
        raise ValueError(f"not a prefix of ledger records: {prefix!r}")
    return Window(from_ms=int(edges[1]), to_ms=int(edges[2]))


def windows_of(prefixes: Iterable[str]) -> Iterator[Window]:
    """Yield the windows of listed prefixes, in their order; what somebody has put there is none."""
    for prefix in prefixes:
        try:
            yield window_of(prefix)
        except ValueError:
            continue
