"""What counting may cost, and what is counted for it: rules only.

Costs are whole numbers of a thousandth of what it costs to ingest a byte of INFREQUENT_ACCESS, so
that no rounding is ever in the way: prices differ by Region, and their ratios do not.
https://aws.amazon.com/cloudwatch/pricing/
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import batched, groupby

from logferry_contracts.insights import MOST_LOG_GROUPS

SCAN = 20
"""Of a byte, by a query: $0.005 per GB, of either class."""
INGESTION = {"STANDARD": 2, "INFREQUENT_ACCESS": 1}
"""Of a byte, in bytes of INFREQUENT_ACCESS: $0.50 and $0.25 per GB, in the Region us-east-1."""

SLACK_BYTES = 1_000_000
"""Half a hundred-thousandth of a dollar, more or less."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An export that a query may count.

    Attributes:
        size_bytes: Of the events in its window, as it was planned.
    """

    export_id: str
    log_group_name: str
    log_group_class: str
    size_bytes: int

    @property
    def cost(self) -> int:
        """What it costs to count it once."""
        return SCAN * self.size_bytes

    def allowance(self, share: int, size_bytes: int | None = None) -> int:
        """Return what counting it may cost, of ``share`` thousandths.

        Args:
            share: Of what its ingestion did cost.
            size_bytes: As a query has read it, with others of its class; None for what was guessed.
        """
        size = self.size_bytes if size_bytes is None else size_bytes
        return share * INGESTION.get(self.log_group_class, 0) * size

    @property
    def place(self) -> bytes:
        """Its place in a sample: by chance, and the same for whoever looks it up."""
        return sha256(self.export_id.encode()).digest()


def chosen(candidates: Iterable[Candidate], left: int) -> tuple[list[Candidate], list[Candidate]]:
    """Return what is counted for a budget, and what is not: a random sample, as far as it goes."""
    taken: list[Candidate] = []
    others: list[Candidate] = []
    for each in sorted(candidates, key=lambda each: each.place):
        if each.cost <= left:
            left -= each.cost
            taken.append(each)
        else:
            others.append(each)
    return taken, others


def is_beyond(scanned_bytes: int, cost: int, left: int) -> bool:
    """Whether a query reads more than anybody had guessed, and than there is money for.

    A guess is by when events came in, not by when they happened: it may be wrong by half.
    """
    return SCAN * (scanned_bytes - SLACK_BYTES) > 2 * cost + max(0, left)


def batches(candidates: Iterable[Candidate]) -> list[tuple[Candidate, ...]]:
    """Return what is put into one query each: log groups of one class."""
    ordered = sorted(candidates, key=lambda each: (each.log_group_class, each.place))
    return [
        some
        for _, of_class in groupby(ordered, key=lambda each: each.log_group_class)
        for some in batched(of_class, MOST_LOG_GROUPS, strict=False)
    ]
