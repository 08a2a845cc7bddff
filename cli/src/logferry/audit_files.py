"""The two files of a report: the page, and beside it, line by line, all that it has no room for."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from logferry.errors import ConfigError

SUFFIX = ".html"
LISTS_SUFFIX = ".jsonl"


class ReportFiles:
    """Written beside their places and put there when they are whole.

    Used as a context manager, at whose end there are both or neither.
    """

    def __init__(self, page: Path) -> None:
        """Begin to write; nothing that is there is ever written over.

        Raises:
            ConfigError: One of the two is there, or cannot be made.
        """
        self._page = page
        self._lists = lists_of(page)
        places = (page, self._lists, _partial(page), _partial(self._lists))
        there = [path for path in places if os.path.lexists(path)]
        if there:
            told = "it is there already: remove it, or give another name"
            raise ConfigError("--report", [f"{path}: {told}" for path in there])
        try:
            # Of two checks at once one is told that the other writes there.
            self._written = _partial(self._lists).open("x", encoding="utf-8")
        except OSError as error:
            raise _unwritten(page, error) from error

    def __enter__(self) -> Self:
        """Go on writing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove what was not finished."""
        self._written.close()
        _partial(self._lists).unlink(missing_ok=True)
        _partial(self._page).unlink(missing_ok=True)

    @property
    def lists(self) -> str:
        """The name of the file beside the page."""
        return self._lists.name

    def write(self, document: dict[str, Any]) -> None:
        """Write a line.

        Raises:
            ConfigError: It could not be written.
        """
        try:
            self._written.write(f"{json.dumps(document)}\n")
        except OSError as error:
            raise _unwritten(self._lists, error) from error

    def finish(self, page: Iterable[str]) -> None:
        """Put both files in their places.

        Args:
            page: Its pieces.

        Raises:
            ConfigError: They could not be written.
        """
        try:
            self._written.close()
            with _partial(self._page).open("w", encoding="utf-8") as file:
                file.writelines(page)
            _partial(self._lists).replace(self._lists)
            _partial(self._page).replace(self._page)
        except OSError as error:
            raise _unwritten(self._page, error) from error


def lists_of(page: Path) -> Path:
    """Return which file lies beside a page.

    Raises:
        ConfigError: No page has such a name.
    """
    if page.suffix != SUFFIX:
        raise ConfigError("--report", [f"{page}: give a name that ends with {SUFFIX}"])
    return page.with_suffix(LISTS_SUFFIX)


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def _unwritten(path: Path, error: OSError) -> ConfigError:
    return ConfigError("--report", [f"{path}: cannot be written: {error.strerror or error}"])
