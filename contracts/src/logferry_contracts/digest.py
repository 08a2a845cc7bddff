"""SHA-256 in hexadecimal, as every document of ours has it."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from hashlib import _Hash

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def sha256(data: bytes) -> str:
    """Return the digest of bytes, as `Sha256`."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_each(begun: "_Hash", rests: Iterable[bytes]) -> list[bytes]:
    """Return the digest, of 32 bytes, of each of many short texts that begin alike.

    OpenSSL takes a sixth less time to copy what was begun with than to begin anew. CPython calls a
    method that it looks up each time faster than one that is at hand.

    Args:
        begun: Has taken in what they begin with, and is left as it is.
        rests: What each goes on with.
    """
    found = list[bytes]()
    for rest in rests:
        each = begun.copy()
        each.update(rest)
        found.append(each.digest())
    return found


def sha256_of_pairs(begun: "_Hash", pairs: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the same of texts in two parts: to join these takes longer than to take in both."""
    found = list[bytes]()
    for first, second in pairs:
        each = begun.copy()
        each.update(first)
        each.update(second)
        found.append(each.digest())
    return found
