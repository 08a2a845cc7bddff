"""An archive that log events are got back from, and what is known beside its seals."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from logferry_contracts.chain import ChainName
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.stated import Listed
from logferry_contracts.window import Window

if TYPE_CHECKING:
    from logferry.glacier import Glacier


class Readable(Listed, Protocol):
    """An archive that may be read side by side."""

    @property
    def readers(self) -> int:
        """How many objects are well read side by side by one process."""


class Ledger(Protocol):
    """What an operator knows beside the seals."""

    def zone_of(self, chain: ChainName) -> ZoneInfo | None:
        """Return the zone of a source's days; None of what is no source of this hub."""

    def add_unsealed(self, plan: Plan, chain: ChainName, times: Iterable[Window]) -> None:
        """Add to a plan what the ledger has of a time that no seal covers."""


class Place(NamedTuple):
    """An archive and the chains that are to be looked at.

    Attributes:
        ledger: None for who has no ledger, or a copy of the archive alone.
        glacier: Where objects may lie frozen; None for a folder.
    """

    store: Readable
    chains: list[ChainName]
    ledger: Ledger | None
    glacier: "Glacier | None" = None
