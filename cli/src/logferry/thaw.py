"""What of a plan lies in GLACIER or DEEP_ARCHIVE, and what it takes to have it back for a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from logferry.cold import COLD, Cold, Tier
from logferry.errors import ConfigError
from logferry.place import Readable
from logferry.search import counted
from logferry_contracts.archive import Readable as File
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.streams import Piece
from logferry_contracts.verification.store import Frozen, Mapped, Version

if TYPE_CHECKING:
    from logferry.glacier import Glacier

_GB = 10**9
_DAYS_OF_A_MONTH = 30
_DOLLARS_PER_GB_MONTH = 0.023
"""Of a copy, as of S3 Standard. https://aws.amazon.com/s3/pricing/ (us-east-1)"""


class Takes(NamedTuple):
    """What S3 takes for giving copies of one class by one tier.

    Attributes:
        hours: At most, as a rule.
        told: The same for people.
    """

    dollars_per_gb: float
    dollars_per_1000: float
    hours: float
    told: str


TAKES: dict[tuple[str, Tier], Takes] = {
    ("GLACIER", "Expedited"): Takes(0.03, 10.0, 5 / 60, "1 to 5 minutes"),
    ("GLACIER", "Standard"): Takes(0.01, 0.05, 5, "3 to 5 hours"),
    ("GLACIER", "Bulk"): Takes(0.0, 0.0, 12, "5 to 12 hours"),
    ("DEEP_ARCHIVE", "Standard"): Takes(0.02, 0.10, 12, "up to 12 hours"),
    ("DEEP_ARCHIVE", "Bulk"): Takes(0.0025, 0.025, 48, "up to 48 hours"),
}
"""https://aws.amazon.com/s3/pricing/ (us-east-1), and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html"""


@dataclass
class Share:
    """Some objects.

    Attributes:
        size_bytes: As they are stored.
    """

    objects: int = 0
    size_bytes: int = 0

    def add(self, cold: Cold) -> None:
        """Count one more."""
        self.objects += 1
        self.size_bytes += cold.size_bytes

    def __str__(self) -> str:
        return f"{counted(self.objects, 'object')}, {self.size_bytes:,} bytes"


@dataclass
class Winter:
    """How much of something lies in GLACIER or DEEP_ARCHIVE.

    Attributes:
        lasting: Up to when copies should be there; None where nobody wants any.
        frozen: What has no copy that can be read, and of which none was asked for, by class.
        thawing: Of what a copy was asked for.
        thawed: What has a copy.
        short: Those of them that go too early.
        until: When the first one goes.
    """

    lasting: datetime | None = None
    frozen: dict[str, Share] = field(default_factory=dict)
    thawing: Share = field(default_factory=Share)
    thawed: Share = field(default_factory=Share)
    short: Share = field(default_factory=Share)
    until: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether everything can be read."""
        return not self.frozen and not self.thawing.objects

    @property
    def wants_more(self) -> bool:
        """Whether S3 has to be asked for anything."""
        return bool(self.frozen or self.short.objects)

    def wants(self, cold: Cold) -> bool:
        """Whether S3 has to be asked: there is no copy, or it goes too early."""
        is_short = cold.until is not None and self.lasting is not None and cold.until < self.lasting
        return cold.is_frozen or is_short

    def add(self, cold: Cold) -> None:
        """Count one more."""
        if cold.is_frozen:
            self.frozen.setdefault(cold.storage_class, Share()).add(cold)
        elif cold.is_thawing:
            self.thawing.add(cold)
        else:
            self.thawed.add(cold)
            if self.wants(cold):
                self.short.add(cold)
            self.until = min(filter(None, (self.until, cold.until)), default=None)


class Noting:
    """An archive that remembers what of it was asked for and is frozen.

    Attributes:
        frozen: Key and version id of each.
    """

    def __init__(self, store: Readable) -> None:
        self._store = store
        self.frozen: list[tuple[str, str | None]] = []

    def __str__(self) -> str:
        return str(self._store)

    @property
    def readers(self) -> int:
        """See `Readable.readers`."""
        return self._store.readers

    def versions(self, prefix: str) -> Iterable[Version]:
        """See `Store.versions`."""
        return self._store.versions(prefix)

    def folders(self, prefix: str) -> list[str]:
        """See `Listed.folders`."""
        return self._store.folders(prefix)

    def open(self, key: str, version_id: str | None) -> File:
        """See `Store.open`."""
        try:
            return self._store.open(key, version_id)
        except Frozen:
            self.frozen.append((key, version_id))
            raise

    def is_held(self, key: str, version_id: str | None) -> bool | None:
        """See `Store.is_held`."""
        return self._store.is_held(key, version_id)


@dataclass(frozen=True)
class Objects:
    """Every object of a plan, as often as they are gone through."""

    plan: Plan

    def __iter__(self) -> Iterator[Piece]:
        """Yield them."""
        return (piece for stream in self.plan.streams() for piece in stream.pieces)


def cold_objects(
    glacier: "Glacier", pieces: Iterable[Piece], *, mapped: Mapped = map
) -> Iterator[Cold]:
    """Yield those that lie in GLACIER or DEEP_ARCHIVE, with a copy or without.

    Raises:
        Unreadable: Nobody may look.
    """
    found = mapped(lambda piece: glacier.look(piece.key, piece.version_id), pieces)
    return (each for each in found if each is not None)


def winter_of(glacier: "Glacier", plan: Plan, now: datetime, *, mapped: Mapped = map) -> Winter:
    """Return what of a plan S3 may have moved by now, by the configuration, and what has."""
    winter = Winter()
    if glacier.after is not None:
        limit = now - glacier.after
        old = (
            piece
            for stream in plan.streams()
            if from_epoch_ms(stream.window.to_ms) <= limit
            for piece in stream.pieces
        )
        for each in cold_objects(glacier, old, mapped=mapped):
            winter.add(each)
    return winter


def follow(
    glacier: "Glacier",
    colds: Iterable[Cold],
    *,
    wait: Callable[[], None],
    tell: Callable[[int], None],
) -> None:
    """Wait until every one of some objects has a copy.

    Args:
        glacier: Where they are.
        colds: As they were when somebody has looked last.
        wait: Called before each further look.
        tell: Told how many can be read.
    """
    for number, each in enumerate(colds):
        cold: Cold | None = each
        while cold is not None and cold.is_thawing:
            tell(number)
            wait()
            cold = glacier.look(each.key, each.version_id)


def check_tier(winter: Winter, tier: Tier) -> None:
    """Make sure that S3 has a tier for what is frozen.

    Raises:
        ConfigError: It has not.
    """
    for storage_class in winter.frozen:
        if (storage_class, tier) not in TAKES:
            there = " or ".join(t for c, t in TAKES if c == storage_class)
            raise ConfigError("--tier", [f"{tier}: S3 has none for {storage_class}: {there}"])


class Dollars(NamedTuple):
    """What copies cost."""

    requests: float
    retrieval: float
    copies: float


def dollars(winter: Winter, tier: Tier, days: int) -> Dollars:
    """Return what it costs to have what is frozen for so many days."""
    requests = retrieval = copies = 0.0
    for storage_class, share in winter.frozen.items():
        takes = TAKES[storage_class, tier]
        requests += share.objects / 1000 * takes.dollars_per_1000
        retrieval += share.size_bytes / _GB * takes.dollars_per_gb
        copies += share.size_bytes
    copies = (copies + winter.short.size_bytes) / _GB * _DOLLARS_PER_GB_MONTH
    return Dollars(requests, retrieval, copies * days / _DAYS_OF_A_MONTH)


def winter_lines(winter: Winter) -> Iterator[str]:
    """Yield what is not to be read at once, for people."""
    for storage_class, share in sorted(winter.frozen.items()):
        yield f"  FROZEN: {share} in {storage_class}"
    if winter.thawing.objects:
        yield f"  being thawed: {winter.thawing}"
    if winter.until is not None:
        yield f"  thawed: {winter.thawed}, the first until {winter.until:%Y-%m-%dT%H:%M:%SZ}"


def offer_lines(winter: Winter, tier: Tier, days: int) -> Iterator[str]:
    """Yield what is frozen and what thawing takes, for people."""
    yield from winter_lines(winter)
    if not winter.wants_more:
        yield "  nothing is frozen" if winter.is_over else "  nothing more is to be asked for"
        return
    for storage_class in sorted(winter.frozen):
        takes = TAKES[storage_class, tier]
        yield f"  {tier} from {storage_class}: {takes.told} until it can be read, for {days} days"
    if winter.short.objects:
        yield f"  to be there for longer: {winter.short}"
    cost = dollars(winter, tier, days)
    told = f"{cost.requests:.4f} requests, {cost.retrieval:.4f} retrieval, {cost.copies:.4f} copies"
    yield f"  costs ${sum(cost):.4f}: {told}"


def winter_as_json(winter: Winter) -> dict[str, Any]:
    """Return what is not to be read at once as a JSON document."""
    document: dict[str, Any] = {
        "frozen": {name: _as_json(winter.frozen[name]) for name in COLD if name in winter.frozen},
        "thawing": _as_json(winter.thawing),
        "thawed": _as_json(winter.thawed),
    }
    if winter.until is not None:
        document["until"] = f"{winter.until:%Y-%m-%dT%H:%M:%SZ}"
    return document


def offer_as_json(winter: Winter, tier: Tier, days: int) -> dict[str, Any]:
    """Return what is frozen and what thawing takes as a JSON document."""
    hours = max((TAKES[each, tier].hours for each in winter.frozen), default=0)
    cost = dollars(winter, tier, days)._asdict()
    rounded = {name: round(each, 6) for name, each in cost.items()}
    takes = {"tier": tier, "days": days, "hours": round(hours, 2), "dollars": rounded}
    return winter_as_json(winter) | takes


def _as_json(share: Share) -> dict[str, int]:
    return {"objects": share.objects, "stored_bytes": share.size_bytes}
