"""What an index knows of a text: which long ids and addresses may be in it.

A token is a run of at least nine letters and digits of ASCII, one of them a digit, as in ids, UUIDs
and numbers; an address of IPv4; or two neighbouring groups of one of IPv6, with a letter. Small and
capital letters are the same. What has a letter or digit neither before nor after it has no token
that the text around it has not.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from zlib import crc32

SLOT_BITS = 26
"""Of what stands for a token: few of one object are the same by chance."""

_RUN = re.compile(rb"[0-9a-z]{9,}")
_GROUPS = re.compile(rb"[0-9a-f]+[.:][0-9a-f.:]+")
_LONGEST_V4, _LONGEST_V6 = 3, 4
"""Digits of a group."""
_GROUPS_V4 = 4


def slots(text: bytes) -> set[int]:
    """Return what stands for the tokens of a text, each less than ``2 ** SLOT_BITS``."""
    text = text.lower()
    found = {run for run in _RUN.findall(text) if not run.isalpha()}
    found.update(_addresses(set(_GROUPS.findall(text))))
    return {crc32(token) >> (32 - SLOT_BITS) for token in found}


def _addresses(runs: Iterable[bytes]) -> Iterator[bytes]:
    for run in runs:
        for part in run.split(b":"):
            if part.count(b".") >= _GROUPS_V4 - 1:
                yield from _addresses_v4(part.split(b"."))
        if b":" in run:
            for part in run.split(b"."):
                yield from _pairs_v6(part.split(b":"))


def _addresses_v4(groups: list[bytes]) -> Iterator[bytes]:
    for at in range(len(groups) - _GROUPS_V4 + 1):
        some = groups[at : at + _GROUPS_V4]
        if all(each.isdigit() and len(each) <= _LONGEST_V4 for each in some):
            yield b".".join(some)


def _pairs_v6(groups: list[bytes]) -> Iterator[bytes]:
    for pair in pairwise(groups):
        is_address = all(0 < len(each) <= _LONGEST_V6 for each in pair)
        if is_address and not b"".join(pair).isdigit():
            yield b":".join(pair)
