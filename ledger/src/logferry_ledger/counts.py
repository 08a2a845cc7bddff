"""What the records of a window come to, kept beside the ledger: whoever has read them has for all.

``counts/<account>/<Region>/<from_ms>-<to_ms>.json``, with a digest of the keys and ETags that the
ledger's listing showed before the records were read. Counts are believed of the very same listing
alone, which costs a call for each thousand records. So they need no order of writers, and what is
lost, late or of another release is counted again.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import ValidationError

from logferry_contracts.digest import Sha256
from logferry_contracts.ledger_key import LEDGER, source_prefix
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import Count, Message, Timestamp
from logferry_ledger.errors import LedgerError
from logferry_ledger.ledger import Ledger, Listed, Read, last_tries

if TYPE_CHECKING:
    from logferry_contracts.source import SourceName

IN_ARCHIVE = ("completed", "secured")
UNDER_WAY = ("requested", "submitted")
_FORMAT = b"2\n"
"""What `Counts` say. Another one is another digest, so that no release believes another's."""
_COUNTS = "counts/"
_DENIED = "AccessDenied"


class Announced(Message):
    """What was announced of a window, and still is.

    Attributes:
        events: How many exports.
        object_count: Of all their manifests.
        total_bytes: Of all these objects.
    """

    events: Count
    object_count: Count
    total_bytes: Count


class Counts(Message):
    """What the records of a window come to.

    Attributes:
        listing_sha256: Of the listing of which they are.
        states: How many exports there are of each state, ``waived`` or ``disposed``; of a log
            group the last try counts.
        failed: The log groups whose last try failed, and why; without those that are waived or
            disposed of.
        waived: The log groups of which somebody answers for it that they are not in the archive,
            and their reason.
        disposed: The log groups whose objects somebody had removed from the archive, and their
            reason.
        skipped: How many exports were skipped, by reason.
        under_way: The log groups whose last try has not ended, and when it was asked for.
        damaged: What is wrong with each record that cannot be read; whose it is, nobody can say.
        announced: What was announced, by profile.
    """

    listing_sha256: Sha256
    states: dict[str, Count]
    failed: dict[str, str]
    waived: dict[str, str]
    disposed: dict[str, str]
    skipped: dict[str, Count]
    under_way: dict[str, Timestamp]
    damaged: list[str]
    announced: dict[str, Announced]

    @property
    def is_settled(self) -> bool:
        """Whether nothing is known that will change them."""
        return not (self.under_way or self.damaged)

    def announced_of(self, source: "SourceName") -> Announced:
        """Return what was announced of a source."""
        nothing = Announced(events=0, object_count=0, total_bytes=0)
        return self.announced.get(source.profile, nothing)


def counts_prefix(source: "SourceName") -> str:
    """Return what the keys of all counts of one account and Region begin with."""
    return f"{_COUNTS}{source_prefix(source).removeprefix(LEDGER)}"


def counts_key(prefix: str) -> str:
    """Return the key of the counts of a `ledger_prefix`."""
    return f"{_COUNTS}{prefix.removeprefix(LEDGER).removesuffix('/')}.json"


def is_announced(record: LedgerRecord) -> bool:
    """Whether an export is in the archive and its event is to be published again."""
    # A half is told of by its whole.
    return (
        record.completed is not None
        and not record.is_lost
        and record.disposed is None
        and record.parent_export_id is None
    )


def counts_of(ledger: Ledger, prefix: str) -> tuple[Counts, bool]:
    """Return what the records of a window come to, and whether that was known.

    Where it was not, they are read, and it is known from then on.
    """
    listed = ledger.listed(prefix)
    kept = kept_counts(ledger, prefix)
    if kept is not None and kept.listing_sha256 == listing_sha256(listed):
        return kept, True
    counted = count(listed, ledger.read_listed(listed))
    keep(ledger, prefix, counted)
    return counted, False


def keep(ledger: Ledger, prefix: str, counted: Counts) -> None:
    """Keep what the records of a window come to, unless it is about to change."""
    if counted.is_settled:
        keep_at(ledger, counts_key(prefix), counted)


def keep_at(ledger: Ledger, key: str, counted: Message) -> None:
    """Keep what somebody has counted; who may only read does without."""
    try:
        ledger.put_note(key, counted.model_dump_json().encode())
    except ClientError as error:
        if error.response["Error"]["Code"] != _DENIED:
            raise


def count(listed: Iterable[Listed], read: Iterable[Read]) -> Counts:
    """Return what records come to.

    Args:
        listed: As they were listed, before they were read.
        read: The records.
    """
    read = list(read)
    records = [each for _, each in read if isinstance(each, LedgerRecord)]
    last = {name: record for name, (_, record) in sorted(last_tries(read).items())}
    states = {name: _state(record) for name, record in last.items()}
    return Counts(
        listing_sha256=listing_sha256(listed),
        states=dict(Counter(states.values())),
        failed={
            name: record.failed.reason
            for name, record in last.items()
            if record.failed is not None and states[name] == "failed"
        },
        waived={
            name: record.waived.reason for name, record in last.items() if record.waived is not None
        },
        disposed={
            name: record.disposed.reason
            for name, record in last.items()
            if record.disposed is not None
        },
        skipped=dict(
            Counter(
                record.skipped.reason
                for record in last.values()
                if record.skipped is not None and record.waived is None
            )
        ),
        under_way={
            name: record.requested_at for name, record in last.items() if record.state in UNDER_WAY
        },
        damaged=[str(error) for _, error in read if isinstance(error, LedgerError)],
        announced=_announced(filter(is_announced, records)),
    )


def listing_sha256(listed: Iterable[Listed]) -> str:
    """Return the digest of what a listing shows, which changes with each record."""
    digest = hashlib.sha256(_FORMAT)
    for key, etag in listed:
        digest.update(f"{key} {etag}\n".encode())
    return digest.hexdigest()


def _announced(records: Iterable[LedgerRecord]) -> dict[str, Announced]:
    totals = defaultdict[str, Counter[str]](Counter)
    for record in records:
        assert record.completed is not None  # noqa: S101  (`is_announced`)
        manifest = record.completed.manifest
        totals[record.source.profile].update(
            events=1, object_count=manifest.object_count, total_bytes=manifest.total_bytes
        )
    return {profile: Announced(**dict(total)) for profile, total in sorted(totals.items())}


def _state(record: LedgerRecord) -> str:
    """Return what somebody says of an export, or else its state."""
    if record.disposed is not None:
        return "disposed"
    return "waived" if record.waived is not None else record.state


def kept_counts(ledger: Ledger, prefix: str) -> Counts | None:
    """Return the counts that are kept of a window; None where nobody can use them."""
    text = ledger.note(counts_key(prefix))
    try:
        return None if text is None else Counts.model_validate_json(text)
    except ValidationError:
        return None
