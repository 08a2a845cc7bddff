"""Unpack gzip that comes in pieces, however many members it has.

https://www.rfc-editor.org/rfc/rfc1952

By ISA-L where it is installed (the extra ``verify``), which takes a quarter of zlib's time, and
otherwise by zlib. They differ in their words for what is wrong, and in how much of a damaged member
they unpack before they notice: what has to be the same everywhere is unpacked by zlib.
"""

import hashlib
import zlib
from collections.abc import Iterator
from typing import Protocol, cast

try:
    from isal import igzip_lib
except ImportError:  # as in the zips of services that read no objects
    igzip_lib = None  # type: ignore[assignment]

HAS_ISAL = igzip_lib is not None
# isal's types call its error an object of that class.
_Error: type[Exception] = cast("type[Exception]", igzip_lib.error) if HAS_ISAL else zlib.error

_GZIP = 31
"""``wbits`` of a gzip file with its header and checksum. https://docs.python.org/3/library/zlib.html"""

_PLAIN_HEADER = b"\x1f\x8b\x08\x00"
"""Of a member without a name, comment, extra field or checksum of its header, as CloudWatch Logs
writes it. What is wrong with others is for zlib to find."""


class _Member(Protocol):
    """What zlib's and ISA-L's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Gunzip:
    """Unpacks gzip as far as it goes. What is wrong with it is a fact, and nothing is raised.

    Attributes:
        members: How many whole gzip files there were, one after the other.
    """

    def __init__(self, unpacked_bytes: int, *, by_zlib: bool = not HAS_ISAL) -> None:
        """Begin.

        Args:
            unpacked_bytes: What is unpacked at a time: a piece may hold a thousand times as much as
                its own size.
            by_zlib: By nothing else.
        """
        self._unpacked_bytes = unpacked_bytes
        self._by_zlib = by_zlib
        self._member: _Member | None = None
        """None before its first byte."""
        self._fault: str | None = None
        self.members = 0

    def texts(self, piece: bytes) -> Iterator[bytes]:
        """Yield what a piece unpacks to, in pieces."""
        while piece and self._fault is None:
            if self._member is None and not (piece := self._begun(piece)):
                return
            text, piece = self._next(piece)
            yield text
            # Both may have taken all of a piece in, and hold back what it unpacks to.
            while not piece and self._member and len(text) == self._unpacked_bytes:
                text, piece = self._next(b"")
                yield text

    def fault(self) -> str | None:
        """Return what is wrong with what there was, such as ``cut off``; None: nothing."""
        if self._fault is None and self._member is not None:
            return "cut off"
        return self._fault if self.members or self._fault else "0 bytes"

    def _begun(self, piece: bytes) -> bytes:
        """Begin a member, unless there are only zeros, which are no part of anything."""
        if self.members:
            piece = piece.lstrip(b"\x00")
        if piece:
            is_plain = piece.startswith(_PLAIN_HEADER)
            is_quick = is_plain and not self._by_zlib
            self._member = _by_isal() if is_quick else zlib.decompressobj(_GZIP)
        return piece

    def _next(self, piece: bytes) -> tuple[bytes, bytes]:
        """Unpack some of a piece; return that and what is left of the piece."""
        member = self._member
        assert member is not None  # noqa: S101  (begun)
        try:
            text = member.decompress(piece, self._unpacked_bytes)
        except (zlib.error, _Error) as error:
            self._fault = f"after member {self.members}: {error}" if self.members else str(error)
            return b"", b""
        if HAS_ISAL:
            # After ISA-L counting lines was seen to take up to twice the time, as it does where the
            # upper halves of AVX registers stay in use. One SHA-512 of OpenSSL's ends that.
            hashlib.sha512().digest()
        if not member.eof:
            # ISA-L's keeps itself what it has not unpacked yet. A copy of that for each text, as
            # its other interface hands it back, would take a fifth of the time.
            return text, getattr(member, "unconsumed_tail", b"")
        self.members += 1
        self._member = None
        return text, member.unused_data


def _by_isal() -> _Member:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
