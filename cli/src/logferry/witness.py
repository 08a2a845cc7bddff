"""What witnesses have signed, from where somebody has put it: files, folders and URLs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from logferry.errors import ConfigError
from logferry_contracts.signed_note import MAX_NOTE_BYTES, NoteError
from logferry_contracts.verification.witnesses import Witnessed
from logferry_contracts.witness import WitnessKey

_TIMEOUT_S = 30
_URL = re.compile(r"https?://", re.IGNORECASE)


def trusted_witnesses(paths: Iterable[Path]) -> tuple[WitnessKey, ...]:
    """Read the keys of witnesses that somebody trusts.

    Raises:
        ConfigError: One cannot be read, or is none; names all of them.
    """
    found, problems = [], []
    for path in paths:
        try:
            found.append(WitnessKey.parse(path.read_text("utf-8").strip()))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except (NoteError, UnicodeDecodeError) as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise ConfigError("--witness-key", problems)
    return tuple(found)


def notes(places: Iterable[str], keys: Sequence[WitnessKey]) -> tuple[Witnessed, ...] | None:
    """Read notes: of files, of all files below folders, and of URLs. None where none are asked for.

    Raises:
        ConfigError: One cannot be read, or is no note of a chain; names all of them.
    """
    found, problems = [], []
    asked = list(places)
    for name, stored in stored_notes(asked):
        try:
            found.append(Witnessed.read(name, stored, keys))
        except NoteError as error:
            problems.append(f"{name}: no note of a chain: {error}")
    if problems:
        raise ConfigError("--witness", problems)
    return tuple(found) if asked else None


def stored_notes(places: Iterable[str]) -> list[tuple[str, bytes]]:
    """Return the name and the bytes of each note, of a longer one so much that it shows.

    Raises:
        ConfigError: One cannot be read; names all of them.
    """
    found: list[tuple[str, bytes]] = []
    problems = []
    for place in places:
        try:
            found += _stored(place)
        except (OSError, ValueError) as error:  # the last one, of a URL that is none
            problems.append(f"{without_query(place)}: {_why(place, error)}")
    if problems:
        raise ConfigError("--witness", problems)
    return found


def without_query(place: str) -> str:
    """Return a place as it may be shown: what follows a URL's ``?`` may be what opens it."""
    return place.partition("?")[0] if _URL.match(place) else place


def without_queries(word: str) -> str:
    """Return a word of a command as it may be shown, such as ``--witness=https://...``."""
    option, is_one, value = word.partition("=")
    is_option = option.startswith("-") and is_one
    return f"{option}={without_query(value)}" if is_option else without_query(word)


def _why(place: str, error: Exception) -> str:
    told = str(getattr(error, "strerror", None) or error)
    query = place.removeprefix(without_query(place))
    return told.replace(query, "") if query else told


def _stored(place: str) -> Iterator[tuple[str, bytes]]:
    if _URL.match(place):
        yield without_query(place), _downloaded(place)
        return
    path = Path(place)
    if not path.is_dir():
        yield place, _read(path)
    for each in sorted(path.rglob("*")):
        if each.is_file():
            yield str(each), _read(each)


def _downloaded(url: str) -> bytes:
    # A tenth of the start of a command, and most are given files.
    import urllib.request  # noqa: PLC0415
    from http.client import HTTPException  # noqa: PLC0415

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310  (see `_stored`)
            return bytes(answer.read(MAX_NOTE_BYTES + 1))
    except HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_NOTE_BYTES + 1)
