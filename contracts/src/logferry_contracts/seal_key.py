"""The object keys of seals in the archive bucket, there and back.

::

    !seals/<account>/<Region>/seals/<sequence>.json
    !seals/<account>/<Region>/leaves/<SHA-256>.jsonl
    !seals/<account>/<Region>/statements/<log group's folder>/<from_ms>-<to_ms>/<SHA-256>.json

with 10 digits for the sequence and 15 for each time. No profile can begin with ``!``.
"""

import re
from typing import NamedTuple, Self

from logferry_contracts.chain import ChainName
from logferry_contracts.log_group import log_group_folder, log_group_of_folder
from logferry_contracts.window import Window

SEALS = "!seals/"
"""What the keys of all that belongs to seals begin with, and no others."""

_CHAIN = re.compile(r"!seals/([0-9]{12})/([a-z]{2,4}(?:-[a-z]+)+-[0-9]+)/", re.ASCII)
_SEAL = re.compile(r"([0-9]{10})\.json", re.ASCII)
_STATEMENT = re.compile(r"(.*)/([0-9]{15})-([0-9]{15})/([0-9a-f]{64})\.json", re.ASCII)


def chain_prefix(chain: ChainName) -> str:
    """Return what the keys of all that belongs to one chain begin with."""
    return f"{SEALS}{chain.account_id}/{chain.region}/"


def chain_of(key: str) -> ChainName:
    """Return the chain that a key, or its beginning up to the Region's slash, belongs to.

    Raises:
        ValueError: It belongs to none.
    """
    found = _CHAIN.match(key)
    if found is None:
        raise ValueError(f"not the key of a seal, or of what belongs to one: {key!r}")
    return ChainName(account_id=found[1], region=found[2])


def seals_prefix(chain: ChainName) -> str:
    """Return what the keys of a chain's seals begin with, which are in the order of the chain."""
    return f"{chain_prefix(chain)}seals/"


def seal_key(chain: ChainName, sequence: int) -> str:
    """Return the key of a seal."""
    return f"{seals_prefix(chain)}{sequence:010d}.json"


def sequence_of(chain: ChainName, key: str) -> int:
    """Return the sequence of a seal's key.

    Raises:
        ValueError: It is not the key of a seal of this chain.
    """
    prefix = seals_prefix(chain)
    found = _SEAL.fullmatch(key.removeprefix(prefix)) if key.startswith(prefix) else None
    if found is None or not int(found[1]):
        raise ValueError(f"not the key of a seal of {chain}: {key!r}")
    return int(found[1])


def leaves_key(chain: ChainName, sha256: str) -> str:
    """Return the key of a list of leaves."""
    return f"{chain_prefix(chain)}leaves/{sha256}.jsonl"


def statements_prefix(chain: ChainName, log_group_name: str | None = None) -> str:
    """Return what the keys of a chain's statements begin with, or those of one log group.

    They may have others' among them: ``/a`` has those of ``/a/b`` below its folder.
    """
    prefix = f"{chain_prefix(chain)}statements/"
    return prefix if log_group_name is None else f"{prefix}{log_group_folder(log_group_name)}/"


class StatementName(NamedTuple):
    """What the key of a statement says, which is written below `statements_prefix`.

    Attributes:
        sha256: Of its bytes as they are stored.
    """

    log_group_name: str
    window: Window
    sha256: str

    def __str__(self) -> str:
        folder = log_group_folder(self.log_group_name)
        return f"{folder}/{self.window.in_keys}/{self.sha256}.json"

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read what is written below `statements_prefix`.

        Raises:
            ValueError: It is the name of no statement.
        """
        found = _STATEMENT.fullmatch(name)
        if found is None:
            raise ValueError(f"not the name of a statement: {name!r}")
        window = Window(from_ms=int(found[2]), to_ms=int(found[3]))
        return cls(log_group_of_folder(found[1]), window, found[4])

    @property
    def place(self) -> tuple[bytes, int, int]:
        """Which log group and window it is of."""
        return self.log_group_name.encode(), self.window.from_ms, self.window.to_ms

    def key(self, chain: ChainName) -> str:
        """Return its key in the archive."""
        return f"{statements_prefix(chain)}{self}"
