"""An index of a source's month that can be thrown away: which objects may have a token.

It rules objects out, and is evidence of nothing: units are named by the SHA-256s of their objects,
and what it does not name has to be opened. A unit is the objects of a log stream as one export has
written them, as an event may go on from one to the next. The same units give the same bytes.

::

    head        magic, units, bytes of names and statements, CRC-32 of these, bits of blocks and of
                codes
    names       of each unit how many objects it has, and their SHA-256s
    statements  the SHA-256 of each whose objects with events are all known, how many they are, and
                the numbers of their units
    directory   where each block begins, and where the last one ends
    blocks      CRC-32 with the block's number, and pairs of slot and unit, sorted

A block has the pairs of some slots. A pair is a number, ``slot * units + unit``, and what is stored
is how far each is from the one before it, in Rice's code: how often ``2 ** bits`` goes into it, as
ones and a zero, and the rest in so many bits.
"""

import re
import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from tempfile import TemporaryFile
from typing import IO, NamedTuple
from zlib import crc32

from logferry_contracts.retrieval.tokens import SLOT_BITS

type Unit = tuple[bytes, ...]
"""The SHA-256s of its objects, in the order in which they were written."""
type Read = Callable[[int, int], bytes]
"""Returns the bytes of an index from a place on, so many, or fewer where it ends."""

_MAGIC = b"logferry tokens2"
_HEAD = struct.Struct(">16sIQQIBB")
_STATEMENT = struct.Struct(">32sII")
_COUNT, _PLACE, _CHECK = struct.Struct(">I"), struct.Struct(">Q"), struct.Struct(">I")
_SHA256_BYTES = 32
_PART_BITS = 6
"""Of slots that are sorted at a time, and the least of blocks."""
_MOST_BLOCK_BITS = 16
_PAIRS_OF_A_BLOCK = 1024
_UNIT = 0xFFFFFFFF
_MEDIAN_OVER_MEAN = 0.69
"""Of distances: the code that is shortest has about so many bits as half of them need."""


class DamagedIndexError(ValueError):
    """It is no index, one of another version, or not what was written: do without it."""


class Known(NamedTuple):
    """What an index knows of a statement.

    Attributes:
        objects: How many it has with events.
        units: Numbers of those that they are in.
    """

    objects: int
    units: tuple[int, ...]


class TokenIndex:
    """An index that somebody has written.

    Attributes:
        units: That it knows, sorted.
        statements: That it knows all events of, by their SHA-256s.
    """

    def __init__(self, read: Read) -> None:
        """Read which units it knows.

        Raises:
            DamagedIndexError: It cannot be used.
        """
        self._read = read
        try:
            head = _HEAD.unpack(read(0, _HEAD.size))
        except struct.error as error:
            raise DamagedIndexError("cut off") from error
        magic, units, names_bytes, size_bytes, check, self._block_bits, self._code_bits = head
        if magic != _MAGIC:
            raise DamagedIndexError("not an index of this version")
        known = read(_HEAD.size, names_bytes + size_bytes)
        if crc32(known, crc32(_HEAD.pack(*head[:4], 0, *head[5:]))) != check:
            raise DamagedIndexError("its list of objects is not what was written")
        self._directory = _HEAD.size + names_bytes + size_bytes
        self.units = list(_units(known[:names_bytes]))
        self.statements = dict(_statements(known[names_bytes:]))
        if len(self.units) != units:
            raise DamagedIndexError("its list of objects is not as long as it says")
        self._numbers: dict[bytes, list[int]] = {}
        for number, unit in enumerate(self.units):
            for sha256 in unit:
                self._numbers.setdefault(sha256, []).append(number)

    def number(self, objects: Unit) -> int | None:
        """Return the number of a unit that has objects, one after the other; None: none has."""
        for number in self._numbers.get(objects[0], ()):
            unit = self.units[number]
            at = unit.index(objects[0])
            if unit[at : at + len(objects)] == objects:
                return number
        return None

    def having(self, slot: int) -> set[int]:
        """Return the numbers of the units that may have a token.

        Raises:
            DamagedIndexError: It cannot be used.
        """
        block = slot >> (SLOT_BITS - self._block_bits)
        return {pair & _UNIT for pair in self._block(block) if pair >> 32 == slot}

    def pairs(self) -> Iterator[list[int]]:
        """Yield all pairs, ``slot << 32 | number``, sorted, many at once.

        Raises:
            DamagedIndexError: It cannot be used.
        """
        return map(self._block, range(1 << self._block_bits))

    def _block(self, block: int) -> list[int]:
        places = self._read(self._directory + block * _PLACE.size, 2 * _PLACE.size)
        try:
            [begin], [end] = _PLACE.iter_unpack(places)
        except (struct.error, ValueError) as error:
            raise DamagedIndexError("cut off") from error
        data = self._read(begin, end - begin) if begin < end else b""
        if data[: _CHECK.size] != _CHECK.pack(crc32(data[_CHECK.size :], block)):
            raise DamagedIndexError("a part of it is not what was written")
        first = block << (SLOT_BITS - self._block_bits)
        units = len(self.units)
        values = _decoded(data[_CHECK.size :], self._code_bits)
        return [(first + value // units) << 32 | value % units for value in values]


class Pairs:
    """Pairs of slots and units that are collected, outside of memory."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.units: dict[Unit, int] = {}
        self._statements: dict[bytes, tuple[int, list[Unit]]] = {}
        self._count = 0
        self._files = [TemporaryFile() for _ in range(1 << _PART_BITS)]  # noqa: SIM115  (see close)

    def close(self) -> None:
        """Forget everything."""
        for file in self._files:
            file.close()

    def add_index(self, index: TokenIndex) -> None:
        """Take in all that an index has, before anything else.

        Raises:
            DamagedIndexError: It cannot be used.
        """
        self.units = {unit: number for number, unit in enumerate(index.units)}
        for sha256, known in index.statements.items():
            self.add_statement(sha256, known.objects, [index.units[n] for n in known.units])
        for pairs in index.pairs():
            self._add(pairs)

    def add(self, unit: Unit, slots: Iterable[int]) -> None:
        """Take in a unit that is not there yet."""
        number = self.units.setdefault(unit, len(self.units))
        self._add([slot << 32 | number for slot in sorted(slots)])

    def add_statement(self, sha256: bytes, objects: int, units: list[Unit]) -> bool:
        """Take in a statement with all units that have events of its objects, each taken in before.

        Returns whether it is not there yet.
        """
        is_new = sha256 not in self._statements
        self._statements[sha256] = (objects, units)
        return is_new

    def write(self, file: IO[bytes]) -> None:
        """Write an index of all that was taken in."""
        ordered = sorted(self.units)
        ranks = [0] * len(ordered)
        for rank, unit in enumerate(ordered):
            ranks[self.units[unit]] = rank
        names = b"".join(chain.from_iterable((_COUNT.pack(len(unit)), *unit) for unit in ordered))
        blocks_bits = (self._count // _PAIRS_OF_A_BLOCK).bit_length()
        block_bits = max(_PART_BITS, min(blocks_bits, _MOST_BLOCK_BITS))
        mean = (len(ordered) << SLOT_BITS) / max(self._count, 1)
        code_bits = max(int(mean * _MEDIAN_OVER_MEAN).bit_length() - 1, 0)
        known = names + b"".join(self._stated(ranks))
        sizes = (len(names), len(known) - len(names))
        head = (_MAGIC, len(ordered), *sizes, 0, block_bits, code_bits)
        check = crc32(known, crc32(_HEAD.pack(*head)))
        file.write(_HEAD.pack(*head[:4], check, *head[5:]) + known)
        places = [file.tell() + ((1 << block_bits) + 1) * _PLACE.size]
        directory = file.tell()
        file.seek(places[0])
        for number, data in enumerate(self._blocks(ranks, block_bits, code_bits)):
            places.append(places[-1] + file.write(_CHECK.pack(crc32(data, number)) + data))
        file.seek(directory)
        file.write(b"".join(map(_PLACE.pack, places)))

    def _add(self, pairs: Sequence[int]) -> None:
        begins = (bisect_left(pairs, _first(part)) for part in range((1 << _PART_BITS) + 1))
        for file, (begin, end) in zip(self._files, pairwise(begins), strict=True):
            if begin < end:
                file.write(array("Q", pairs[begin:end]).tobytes())
        self._count += len(pairs)

    def _stated(self, ranks: list[int]) -> Iterator[bytes]:
        """Yield the bytes of each statement."""
        for sha256, (objects, units) in sorted(self._statements.items()):
            numbers = sorted({ranks[self.units[unit]] for unit in units})
            yield _STATEMENT.pack(sha256, objects, len(numbers))
            yield b"".join(map(_COUNT.pack, numbers))

    def _blocks(self, ranks: list[int], block_bits: int, code_bits: int) -> Iterator[bytes]:
        """Yield the bytes of each block."""
        slots = 1 << (SLOT_BITS - block_bits)
        of_a_part = 1 << (block_bits - _PART_BITS)
        for part, file in enumerate(self._files):
            pairs = array("Q")
            file.seek(0)
            pairs.frombytes(file.read())
            values = sorted([(pair >> 32) * len(ranks) + ranks[pair & _UNIT] for pair in pairs])
            for block in range(part * of_a_part, (part + 1) * of_a_part):
                first, end = block * slots * len(ranks), (block + 1) * slots * len(ranks)
                some = values[bisect_left(values, first) : bisect_left(values, end)]
                yield _encoded([first - 1, *some], code_bits)


def _first(part: int) -> int:
    return part << (SLOT_BITS - _PART_BITS + 32)


def _units(names: bytes) -> Iterator[Unit]:
    at = 0
    while at < len(names):
        [count] = _COUNT.unpack_from(names, at)
        at += _COUNT.size
        yield tuple(names[at + n * _SHA256_BYTES :][:_SHA256_BYTES] for n in range(count))
        at += count * _SHA256_BYTES


def _statements(known: bytes) -> Iterator[tuple[bytes, Known]]:
    at = 0
    while at < len(known):
        sha256, objects, count = _STATEMENT.unpack_from(known, at)
        at += _STATEMENT.size
        numbers = struct.unpack_from(f">{count}I", known, at)
        at += count * _COUNT.size
        yield sha256, Known(objects, numbers)


def _encoded(values: Sequence[int], bits: int) -> bytes:
    """Return the distances of ascending numbers, each from the one before it."""
    rest = (1 << bits) - 1
    gaps = [after - before - 1 for before, after in pairwise(values)]
    low = f"0{bits}b" if bits else "s"
    text = "".join(
        [f"{'1' * (gap >> bits)}0{format(gap & rest if bits else '', low)}" for gap in gaps]
    )
    return int(f"1{text}", 2).to_bytes(len(text) // 8 + 1)


def _decoded(data: bytes, bits: int) -> Iterator[int]:
    """Yield the numbers, as far from where they begin as they are."""
    text = f"{int.from_bytes(data):b}"[1:]
    value = -1
    for ones, low in re.findall(f"(1*)0([01]{{{bits}}})", text):
        value += (len(ones) << bits | int(low or "0", 2)) + 1
        yield value
