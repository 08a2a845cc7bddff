"""How long CloudWatch has to keep a log group, by what seals say of the time that it still has."""

from collections import Counter
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from logferry_contracts.log_group import LogGroup
from logferry_contracts.statement import AGREES, ARCHIVED, LACKING, SKIPPED, Statement
from logferry_contracts.verification.joining import span
from logferry_contracts.window import Window

DAY_MS = 24 * 3_600_000
CHOICES = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096),
    *(1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that a log group can be kept, other than for ever.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
"""
BACKDATED_MS = 14 * DAY_MS
"""How far before its creation a log group may have events: PutLogEvents takes none that are older.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""
_EMPTY = "empty"
"""Why a window without events is skipped."""
_GB = 10**9
_SHOWN = 3


class LogRetentionConfig(BaseModel):
    """What `logferry retention` goes by.

    Attributes:
        min_days: How long CloudWatch keeps every log group. PutLogEvents takes events that are 14
            days old, and none that are older than the retention.
        exclude: Globs of log groups that are left alone, case-sensitive.
        min_dollars: A log group that can save less in a month is not looked at.
        dollars_per_gb_month: What the Region asks for storage; us-east-1's, unless it is said.
        count_dollars: What counting in CloudWatch may cost, for each source and time that it is
            applied; a query that would cost more is stopped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_days: Annotated[int, Field(ge=15, le=CHOICES[-1])] = 30
    exclude: list[Annotated[str, Field(min_length=1, max_length=512)]] = []
    min_dollars: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    dollars_per_gb_month: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.03
    count_dollars: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 25.0

    @property
    def days(self) -> int:
        """The shortest retention that CloudWatch takes and that is no shorter than `min_days`."""
        return next(each for each in CHOICES if each >= self.min_days)

    def excludes(self, name: str) -> bool:
        """Whether a log group is left alone."""
        return any(fnmatchcase(name, glob) for glob in self.exclude)

    def is_longer(self, log_group: LogGroup) -> bool:
        """Whether CloudWatch keeps a log group for longer than it would have to."""
        return log_group.retention_days is None or log_group.retention_days > self.days

    def dollars(self, log_group: LogGroup) -> float:
        """Return what storing all of a log group costs in a month, at most.

        AWS does not say whether storedBytes is before or after the compression that it bills by.
        """
        return (log_group.stored_bytes or 0) / _GB * self.dollars_per_gb_month


@dataclass(frozen=True)
class Verdict:
    """Whether a log group could be kept for less long.

    Attributes:
        kept_days: As it is; None for ever.
        could_be_days: None where that would not be safe.
        saves_dollars: In a month, at most; 0 where it is not safe.
        why: What is in the way; empty for nothing.
        archived: How many of its windows are archived.
        counted: In how many of these CloudWatch counted as many events as the archive has.
    """

    profile: str
    log_group: str
    kept_days: int | None
    could_be_days: int | None
    saves_dollars: float
    why: str = ""
    archived: int = 0
    counted: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as the command prints it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a log group.

    Attributes:
        outcome: ``set``; ``left`` as it was, where something is in the way; ``failed`` where AWS
            refused, and nobody knows.
        former_days: How long it was kept; None for ever.
        days: How long it is kept now; None for ever.
        why: What is in the way; empty for nothing.
        windows: How many were counted in CloudWatch.
        events: How many events those have, there as in the archive.
    """

    log_group: str
    outcome: Literal["set", "left", "failed"]
    former_days: int | None
    days: int | None
    why: str = ""
    windows: int = 0
    events: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as the command prints it."""
        return asdict(self)


class Kept:
    """What seals say of the time that CloudWatch still has of a log group.

    A retention goes on to delete, date by date. So one is safe only where nothing of that time is
    missing in the archive, also what is too new to be deleted at once.
    """

    def __init__(self, log_group: LogGroup, rules: LogRetentionConfig, now_ms: int) -> None:
        """Begin with nothing."""
        self.log_group = log_group
        self._rules = rules
        self._old_ms = now_ms - rules.days * DAY_MS
        days = log_group.retention_days
        expired_ms = 0 if days is None else now_ms - days * DAY_MS
        self.from_ms = self._reached_ms = max(log_group.created_ms - BACKDATED_MS, expired_ms, 0)
        self._in_the_way: Counter[str] = Counter()
        self._first: dict[str, Window] = {}
        self._bytes = self._old_bytes = 0
        self._archived = self._counted = 0

    def add(self, window: Window, statement: Statement | None) -> None:
        """Take in what counts of a window, those of a log group in the order of time.

        Args:
            window: Which.
            statement: None for one that cannot be read.
        """
        if window.to_ms <= self.from_ms:
            return
        if window.from_ms > self._reached_ms:
            gap = Window(from_ms=self._reached_ms, to_ms=window.from_ms)
            self.stop("not sealed", gap)
        self._reached_ms = max(self._reached_ms, window.to_ms)
        if (what := _missing(statement)) is not None:
            self.stop(what, window)
        if statement is not None and statement.outcome == ARCHIVED:
            self._archived += 1
            self._counted += statement.recount_says == AGREES
        stored = sum(each.size_bytes for each in (statement and statement.objects) or [])
        self._bytes += stored
        self._old_bytes += stored if window.to_ms <= self._old_ms else 0

    def verdict(self, profile: str) -> Verdict:
        """Return whether it could be kept for less long, once all was taken in."""
        whole = self._rules.dollars(self.log_group)
        saves = whole * self._old_bytes / self._bytes if self._bytes else 0.0
        why = self._why()
        return Verdict(
            profile=profile,
            log_group=self.log_group.name,
            kept_days=self.log_group.retention_days,
            could_be_days=None if why else self._rules.days,
            saves_dollars=0.0 if why else round(saves, 2),
            why=why,
            archived=self._archived,
            counted=self._counted,
        )

    def stop(self, what: str, window: Window) -> None:
        """Let a window be in the way.

        Args:
            what: Why, to follow "1 window".
            window: Which.
        """
        self._in_the_way[what] += 1
        self._first.setdefault(what, window)

    def _why(self) -> str:
        told = [
            f"{_windows(count)} {what}, from {_span(self._first[what])}"
            for what, count in self._in_the_way.most_common(_SHOWN)
        ]
        if self._reached_ms < self._old_ms:
            rest = Window(from_ms=self._reached_ms, to_ms=self._old_ms)
            told.append(f"not sealed yet: {_span(rest)}")
        elif not told and not self._bytes:
            told.append(f"CloudWatch has {self.log_group.stored_bytes:,} bytes, the archive none")
        return "; ".join(told)


class SealedWindow(NamedTuple):
    """What a seal says of a window.

    Attributes:
        events: That are in the archive.
        lane: Of the export; None where there was nothing to export.
    """

    window: Window
    events: int
    lane: str | None


class Checked(Kept):
    """The same of a log group that is about to be kept for less long.

    Attributes:
        windows: Those that CloudWatch still has all of, to be counted there.
    """

    def __init__(self, log_group: LogGroup, rules: LogRetentionConfig, now_ms: int) -> None:
        """Begin with nothing."""
        super().__init__(log_group, rules, now_ms)
        self.windows: list[SealedWindow] = []
        # What is about to expire anyway may be gone in part.
        days = log_group.retention_days
        self._whole_from_ms = 0 if days is None else now_ms - (days - 1) * DAY_MS

    def add(self, window: Window, statement: Statement | None) -> None:
        """See `Kept.add`."""
        super().add(window, statement)
        if statement is not None and window.from_ms >= self._whole_from_ms:
            lane = statement.exports[-1].lane if statement.outcome == ARCHIVED else None
            self.windows.append(SealedWindow(window, statement.events, lane))


def _missing(statement: Statement | None) -> str | None:
    """Return why a window may not be deleted in CloudWatch; None where it may."""
    if statement is None:
        return "of which the statement cannot be read"
    if statement.outcome == ARCHIVED:
        if statement.recount_says == LACKING:
            return "archived with fewer events than CloudWatch has"
        pointers = any(each.pointer_lines for each in statement.objects or [])
        return "archived with pointers to content that is elsewhere" if pointers else None
    if statement.outcome == SKIPPED and statement.reason == _EMPTY:
        return None
    return f"{statement.outcome}{f' ({statement.reason})' if statement.reason else ''}"


def _windows(count: int) -> str:
    return "1 window" if count == 1 else f"{count:,} windows"


def _span(window: Window) -> str:
    return span(window.from_ms, window.to_ms)


def kept_for(days: int | None) -> str:
    """Return for how long CloudWatch keeps a log group, in words; None for ever."""
    return "ever" if days is None else f"{days:,} days"
