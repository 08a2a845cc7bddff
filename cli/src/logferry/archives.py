"""The archives that somebody names: a folder, or those of a configuration."""

from pathlib import Path

from logferry.folder_store import FolderStore
from logferry.verify import Archive, chains_of
from logferry_contracts.chain import ChainName

type Found = list[tuple[Archive, list[ChainName]]]
"""Each archive, with the chains of it."""


def archives_of(path: Path, profile: str | None, witnessed: set[ChainName]) -> Found:
    """Return each archive with the chains to be checked: what has a seal, or should have.

    What a witness has seen, and no archive has, should be in the first.

    Raises:
        ConfigError: There is no such archive, or nothing of this profile.
    """
    if path.is_dir():
        folder = FolderStore(path)
        return [(folder, chains_of(folder, profile, witnessed))]
    # Whoever checks a folder needs no AWS, and does not wait for its SDK either.
    from logferry.deployed_archives import deployed_archives  # noqa: PLC0415

    found: Found = [*deployed_archives(path, profile)]
    gone = witnessed.difference(*(names for _, names in found))
    if found and not profile:
        found[0][1].extend(sorted(gone, key=str))
    return found
