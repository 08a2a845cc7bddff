"""An archive that was copied into a folder, such as by ``aws s3 sync``: read without credentials.

A folder has no versions, no delete markers and no holds, and cannot have every key. ``a//b`` and
``a/./b`` are copied to ``a/b``, where they are found again by what `FolderStore.know` is told;
``a/../b`` is not copied, and neither is what has too long a name. ``A`` and ``a`` are one file in
some.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from os import DirEntry
from pathlib import Path

from logferry.errors import ConfigError
from logferry_contracts.archive import Readable
from logferry_contracts.chain import ChainName
from logferry_contracts.seal_key import SEALS, chain_of
from logferry_contracts.verification.store import Missing, Unreadable, Version

_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_NO_NAMES = frozenset({"", "."})
"""What a key may have between its slashes, and the path that it is copied to leaves out."""
_ABOVE = ".."


def is_odd(key: str) -> bool:
    """Whether a key is copied to a path that another key may be copied to as well."""
    return not _NO_NAMES.isdisjoint(key.split("/"))


class FolderStore:
    """A folder that the whole archive bucket was copied into."""

    def __init__(self, root: Path) -> None:
        """Look whether it is one.

        Raises:
            ConfigError: It has no seals, or its file system does not tell ``A`` from ``a``.
        """
        self._root = root
        self._keys: dict[str, str] = {}
        """Of what was copied to a path which is not its key."""
        if not (root / SEALS).is_dir():
            told = (
                f"there is no {SEALS} in it; give the folder that the whole bucket is copied into"
            )
            raise ConfigError(str(root), [told])
        upper = root / SEALS.upper()
        if upper.exists() and upper.samefile(root / SEALS):
            told = (
                "its file system does not tell A from a, so that the log groups /A and /a are one"
            )
            raise ConfigError(str(root), [f"{told}; copy the bucket to one that does"])

    def __str__(self) -> str:
        return str(self._root)

    @property
    def readers(self) -> int:
        """How many objects are well read side by side by one process: nothing is waited for."""
        return 1

    def chains(self) -> list[ChainName]:
        """Return the chains that there is anything of, in order."""
        found = []
        for account in filter(_is_folder, _listed(self._root / SEALS)):
            for region in _listed(self._root / SEALS / account.name):
                try:
                    found.append(chain_of(f"{SEALS}{account.name}/{region.name}/"))
                except ValueError:
                    continue
        return found

    def outside(self) -> Iterator[str]:
        """Yield each key below ``!seals/`` that belongs to no chain.

        Raises:
            Unreadable: They cannot be listed.
        """
        for version in self._below(SEALS):
            try:
                chain_of(version.key)
            except ValueError:
                yield version.key

    def know(self, keys: Iterable[str]) -> None:
        """Be told of keys that are not their paths, so that these are taken for nothing else."""
        for key in keys:
            if _ABOVE not in key.split("/"):
                self._keys[_path(key)] = key

    def versions(self, prefix: str) -> Iterable[Version]:
        """See `Store.versions`."""
        folder, _, begins = prefix.rpartition("/")
        _check(folder)
        path = _path(folder)
        below = self._below(f"{path}/" if path else "", begins)
        return (each for each in below if each.key.startswith(prefix))

    def folders(self, prefix: str) -> list[str]:
        """Return what the keys that begin with a prefix have up to the next slash, with it."""
        found = (each.key[len(prefix) :] for each in self.versions(prefix))
        return list(
            dict.fromkeys(f"{prefix}{rest.partition('/')[0]}/" for rest in found if "/" in rest)
        )

    def open(self, key: str, version_id: str | None) -> Readable:
        """See `Store.open`. There is one version of each key."""
        _check(key)
        path = f"{self._root}/{_path(key)}"
        if version_id is not None:
            raise Missing(f"{key}: a folder has no versions")
        try:
            # To open a pipe would wait for somebody to write into it.
            if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  (a path object takes twice the time)
                raise Missing(f"{path} is no file")
            # Without a buffer, as it is read in large pieces; whoever reads it closes it.
            return open(path, "rb", buffering=0)  # noqa: PTH123  (as above)
        except _NOT_THERE as error:
            raise Missing(f"{path}: {error.strerror}") from error
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from error

    def is_held(self, key: str, version_id: str | None) -> bool | None:
        """See `Store.is_held`."""
        del key, version_id
        return None

    def _below(self, folder: str, begins: str = "") -> Iterator[Version]:
        """Yield the files of a folder and of those in it, in the order of S3's keys."""
        for entry in _listed(f"{self._root}/{folder}"):
            name = entry.name
            if not name.isascii():  # as few are
                name = os.fsencode(name).decode("utf-8", "backslashreplace")
            key = f"{folder}{name}"
            if not name.startswith(begins):
                continue
            if _is_folder(entry):
                yield from self._below(f"{key}/")
            else:
                known = self._keys.get(key, key)
                yield Version(known, None, True, False, _size_bytes(entry))  # noqa: FBT003  (a named tuple)


def _size_bytes(entry: DirEntry[str]) -> int:
    """Return how much there is to read; of a link that leads nowhere, how long it is itself."""
    try:
        return entry.stat().st_size
    except OSError:
        return entry.stat(follow_symlinks=False).st_size


def _check(key: str) -> None:
    """Make sure that a key can be in a folder.

    Raises:
        Unreadable: It cannot: ``aws s3 sync`` copies nothing to outside of one.
    """
    if "\0" in key:
        raise Unreadable(f"{key!r}: it has a character that no file's name has")
    if _ABOVE in key.split("/"):
        raise Unreadable(f"{key}: it has '..' between slashes, which no folder has")


def _path(key: str) -> str:
    """Return where ``aws s3 sync`` copies a key to."""
    return "/".join(each for each in key.split("/") if each not in _NO_NAMES)


def _listed(path: str | Path) -> list[DirEntry[str]]:
    """Return what is in a folder in the order of S3's keys; nothing where there is none.

    Raises:
        Unreadable: It cannot be listed.
    """
    try:
        with os.scandir(path) as entries:
            listed = list(entries)
    except _NOT_THERE:
        return []
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error
    return listed if len(listed) <= 1 else sorted(listed, key=_place)  # as most have


def _place(entry: DirEntry[str]) -> bytes:
    """Return where it sorts: what is in a folder ``a`` has keys with ``a/``, after ``a-``."""
    return os.fsencode(entry.name) + (b"/" if _is_folder(entry) else b"")


def _is_folder(entry: DirEntry[str]) -> bool:
    """Whether to look into it: a link to a folder may lead round in a circle."""
    return entry.is_dir(follow_symlinks=False)
