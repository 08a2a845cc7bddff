"""What is searched for in messages, and where it is in a text of many events."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from logferry_contracts.log_line import STAMP_LENGTH, event_after, event_before

_MESSAGE = STAMP_LENGTH + len(b" ")
_ALNUM = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
# What is no UTF-8 is shown as its number, which is no part of an id behind it.
_AS_ID = r"(?:(?<![0-9A-Za-z])|(?<=\\x[0-9a-f][0-9a-f])){}(?![0-9A-Za-z])"


@dataclass(frozen=True)
class Pattern:
    """What a message has to have somewhere.

    Attributes:
        text: The words; or a regular expression, of Python's ``re``, where a dot is no newline.
        is_regex: Whether it is one.
        ignores_case: Whether small and capital letters are the same.
        is_id: Whether no letter or digit of ASCII may be before or after it.
    """

    text: str
    is_regex: bool = False
    ignores_case: bool = False
    is_id: bool = False

    def __post_init__(self) -> None:
        """Make sure that it is one.

        Raises:
            ValueError: It is no regular expression; says where. Or it is no id, or no text.
        """
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{self.text!r} is no UTF-8, as messages are") from error
        if self.is_id and (self.is_regex or not self.text or set(self.text) & set("\n\\")):
            raise ValueError(f"{self.text!r} is no id: words of one line, and no backslash")
        _ = self.has

    @cached_property
    def has(self) -> Callable[[str], object]:
        """Says whether a message has it."""
        if self.is_regex or self.ignores_case or self.is_id:
            text = self.text if self.is_regex else re.escape(self.text)
            flags = re.IGNORECASE if self.ignores_case else re.NOFLAG
            if self.is_id:
                text, flags = _AS_ID.format(text), flags | re.ASCII
            try:
                return re.compile(text, flags).search
            except (re.PatternError, OverflowError, RecursionError) as error:
                raise ValueError(f"{self.text!r} is no regular expression: {error}") from error
        return self._is_in

    def __getstate__(self) -> tuple[str, bool, bool, bool]:
        """Be pickled without what was made of it."""
        return self.text, self.is_regex, self.ignores_case, self.is_id

    def __setstate__(self, state: tuple[str, bool, bool, bool]) -> None:
        """Be the same again."""
        names = ("text", "is_regex", "ignores_case", "is_id")
        self.__dict__.update(zip(names, state, strict=True))

    @property
    def is_quick(self) -> bool:
        """Whether `places` finds it: words that no two events have a part of."""
        is_ascii = self.text.isascii() or not self.ignores_case
        return bool(self.text) and is_ascii and not self.is_regex and "\n" not in self.text

    def places(self, text: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield beginning and end of each event that has it, in a part of a text.

        A time that a line begins with is no part of its message.

        Args:
            text: With whole events in that part.
            begin: Where the first one begins.
            end: Where the next one after it begins, or the text ends.
        """
        words, searched = self.text.encode(), text
        if self.ignores_case:
            words, searched = words.lower(), text.lower()
        at = searched.find(words, begin, end)
        while at >= 0:
            first = event_before(text, at)
            if at < first + _MESSAGE or (self.is_id and _is_inside(text, at, at + len(words))):
                at = searched.find(words, at + 1, end)
                continue
            last = _end(text, at)
            yield first, last
            at = searched.find(words, last, end)

    def _is_in(self, message: str) -> bool:
        return self.text in message


def _is_inside(text: bytes, begin: int, end: int) -> bool:
    """Whether letters or digits go on before or after a part of a text."""
    return text[begin - 1] in _ALNUM or (end < len(text) and text[end] in _ALNUM)


def _end(text: bytes, at: int) -> int:
    """Return where an event ends that a place is in, without the newline after it."""
    newline = text.find(b"\n", at)
    if newline < 0:
        return len(text)
    following = event_after(text, newline + 1)
    return len(text.removesuffix(b"\n")) if following < 0 else following - 1
