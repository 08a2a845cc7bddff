"""What a sweep looks for, and which of the archive's versions it has to look at for that.

A listing shows an object version's key, age and whether it is current. It does not show the KMS key
or the legal hold: those cost a HeadObject each, so not every pass looks at everything.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from sse_enforcer.verdict import ObjectVersion, Verdict

OVERLAP = timedelta(days=8)
"""How far an incremental pass looks back beyond the start of the one before it. An object that is
uploaded in parts is as old as the upload's beginning, and the archive gives up on uploads after 7
days. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html"""


class Finding(StrEnum):
    """What is not as it has to be."""

    WRONG_KEY = "wrong_key"
    """A version, current or not, under SSE-S3 or under another KMS key."""
    NOT_ENCRYPTED = "not_encrypted"
    """A version for which S3 names no encryption."""
    NOT_HELD = "not_held"
    """An object of a completed export without legal hold."""
    NOT_SECURED = "not_secured"
    """A completed export whose ledger record never became ``secured``."""
    WRITE_TEST = "write_test"
    """What CloudWatch Logs wrote to see whether it may."""
    ABANDONED_UPLOAD = "abandoned_upload"
    """A multipart upload that nobody completed or aborted."""
    HIDDEN = "hidden"
    """A log file whose current version is a delete marker: its versions are there, unseen."""
    OVERWRITTEN = "overwritten"
    """A held log file with a newer version over it that is none of our copies: whoever reads by the
    key alone reads that one."""
    UNKNOWN_KEY = "unknown_key"
    """A version of a key outside the archive's layout."""
    UNREADABLE = "unreadable"
    """A version that cannot be described, or a ledger record that breaks its contract."""


class Action(StrEnum):
    """What became of a finding."""

    MENDED = "mended"
    WOULD_MEND = "would_mend"
    """A dry run stops here."""
    KEPT = "kept"
    """Its verified copy stands in for it, but Object Lock or a missing checksum keeps it."""
    LEFT_ALONE = "left_alone"
    """Nothing of ours to change."""
    REFUSED = "refused"
    """It cannot be mended as it is; the detail says why. It is as it was."""
    FAILED = "failed"
    """A call failed. The next pass tries again."""


OPEN = frozenset({Action.WOULD_MEND, Action.REFUSED, Action.FAILED})
"""The finding is still there afterwards, and ought not to be."""


@dataclass(frozen=True, kw_only=True)
class ListedVersion:
    """One entry of ListObjectVersions.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
    """

    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    last_modified: datetime


@dataclass(frozen=True)
class ListedRecord:
    """One ledger record's object key, and when it was last changed."""

    key: str
    last_modified: datetime


@dataclass(frozen=True)
class ListedUpload:
    """One entry of ListMultipartUploads."""

    key: str
    upload_id: str
    initiated: datetime


@dataclass(frozen=True)
class KeyVersions:
    """Listed entries of one key: all of them, unless they fill a page."""

    key: str
    entries: tuple[ListedVersion, ...]

    @property
    def versions(self) -> tuple[ListedVersion, ...]:
        """Without the delete markers."""
        return tuple(entry for entry in self.entries if not entry.is_delete_marker)

    @property
    def is_hidden(self) -> bool:
        """Whether a delete marker covers the key's versions. Alone it covers nothing."""
        covered = any(entry.is_delete_marker and entry.is_latest for entry in self.entries)
        return covered and bool(self.versions)

    @property
    def current(self) -> ListedVersion | None:
        """The version that is read by the key alone; None where a delete marker covers them."""
        return next((each for each in self.versions if each.is_latest), None)


@dataclass(frozen=True, kw_only=True)
class Lookout:
    """What a pass has to look at.

    Attributes:
        since: Versions and records changed since then are looked at; None: all of them.
        until: What changed later is left to the messages about it, which may be under way.
        again: Keys that an earlier pass could not mend.
    """

    since: datetime | None
    until: datetime
    again: Collection[str]

    def is_due(self, key: str, last_modified: datetime) -> bool:
        """Whether something of this age has to be looked at."""
        if last_modified > self.until:
            return False
        return self.since is None or last_modified >= self.since or key in self.again

    def is_too_young(self, version: ListedVersion) -> bool:
        """Whether a version is left to its messages, which may be under way."""
        return not version.is_delete_marker and version.last_modified > self.until

    def is_record_new(self, record: ListedRecord, grace: timedelta) -> bool:
        """Whether no pass has dealt with a ledger record since it was changed.

        Args:
            record: The record, which is due.
            grace: For how long a change is left to its messages: the last pass left those, too.
        """
        if self.since is None or record.key in self.again:
            return True
        return record.last_modified >= self.since + OVERLAP - grace

    def is_version_due(self, version: ListedVersion) -> bool:
        """Whether a version has to be looked at: noncurrent ones always, since few are there."""
        if version.is_delete_marker:
            return False
        if not version.is_latest:
            return version.last_modified <= self.until
        return self.is_due(version.key, version.last_modified)


def by_key(entries: Iterable[ListedVersion]) -> list[KeyVersions]:
    """Put the entries of a listing together that are of the same key."""
    return [
        KeyVersions(key, tuple(group)) for key, group in groupby(entries, lambda entry: entry.key)
    ]


def finding_of(version: ObjectVersion, verdict: Verdict) -> Finding | None:
    """Say what is wrong with a log file's version, if anything, as its verdict has it."""
    match verdict:
        case Verdict.LEAVE:
            return None
        case Verdict.HOLD:
            return Finding.NOT_HELD
        case _:
            return Finding.NOT_ENCRYPTED if version.encryption is None else Finding.WRONG_KEY


def destination_prefix(key: str) -> str:
    """Return the export's prefix that a log file is below: all but task, stream and file name."""
    return key.rsplit("/", 3)[0]
