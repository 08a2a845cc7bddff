"""A proof of one log group on one date, made out of an archive to be handed over."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from logferry.errors import ConfigError, ProveError
from logferry.given import date_given
from logferry.verify import Archive
from logferry.witness import stored_notes
from logferry.workers import READERS, Threads
from logferry_contracts.chain import ChainName
from logferry_contracts.log_group import LogGroupName
from logferry_contracts.proof import MOST_NOTES
from logferry_contracts.signed_note import NoteError, SignedNote
from logferry_contracts.verification.chain import Chain, read_chain
from logferry_contracts.verification.findings import (
    HiddenError,
    NotASealError,
    ReserialisedError,
    SealError,
    SealsMissingError,
    WrongChainError,
    WrongPlaceError,
)
from logferry_contracts.verification.proofs import Proven, check, links_of_date
from logferry_contracts.verification.proving import prove
from logferry_contracts.verification.store import Unreadable
from logferry_contracts.verification.stored import raise_unread
from logferry_contracts.wire import emit
from logferry_contracts.witness import Head

_LOG_GROUP_NAME = TypeAdapter[str](LogGroupName)

_OF_A_PLACE = (
    SealsMissingError,
    NotASealError,
    ReserialisedError,
    WrongChainError,
    WrongPlaceError,
)
"""What says that a place of a chain has not the seal that was sealed there."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be proven.

    Attributes:
        date: As somebody has typed it; `on` is as seals have it.
        made_at: When, as a timestamp.
        chain: Which account and Region, as ``111122223333/eu-central-1``; None for the only one.
        witness: Files, folders and URLs with notes that witnesses have signed.
    """

    log_group_name: str
    date: str
    made_at: str
    chain: str | None = None
    witness: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Make sure that the date is one, and that a log group may be called so.

        Raises:
            ConfigError: It is not.
        """
        date_given("--date", self.date)
        try:
            _LOG_GROUP_NAME.validate_python(self.log_group_name)
        except ValidationError as error:
            rule = "1 to 512 letters, digits and . - _ / #"
            told = f"{self.log_group_name!r}: no log group is called so: {rule}"
            raise ConfigError("--log-group", [told]) from error

    @property
    def on(self) -> str:
        """The date as seals have it."""
        return str(date_given("--date", self.date))


def make(archives: Iterable[tuple[Archive, Sequence[ChainName]]], asked: Asked, to: Path) -> Proven:
    """Write a proof, and return what it shows; nobody's signature is checked.

    Args:
        archives: Where it may be, with the chains that are to be looked at.
        asked: What is to be proven.
        to: The file, which may not be there: a proof that was handed over is not written over.

    Raises:
        ConfigError: There is no seal of this date, or several accounts and Regions have one; or the
            file cannot be made, which is found before anything is read.
        ProveError: Something that it needs is not as it was sealed, or cannot be read.
    """
    if os.path.lexists(to):
        raise ConfigError("--output", [f"{to} is there already: name another file"])
    if not to.parent.is_dir():
        raise ConfigError("--output", [f"{to}: there is no folder {to.parent}"])
    threads = Threads(READERS)
    try:
        archive, chain = _chain(archives, asked, threads)
        notes = _notes(asked.witness, chain)
        proof = prove(
            archive,
            chain,
            asked.log_group_name,
            date=asked.on,
            made_at=asked.made_at,
            witness_notes=notes,
        )
        # Whoever is handed it is not to be the first one who finds that it is none.
        proven = check(proof, ())
    except (SealError, Unreadable) as error:
        raise ProveError(f"no proof can be made: {error}") from error
    finally:
        threads.stop()
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(f"{emit(proof)}\n")
    except OSError as error:
        raise ConfigError("--output", [f"{to}: {error.strerror}"]) from error
    return replace(proven, unchecked=[])


def _chain(
    archives: Iterable[tuple[Archive, Sequence[ChainName]]], asked: Asked, threads: Threads
) -> tuple[Archive, Chain]:
    """Return the one chain that has seals of the date.

    Raises:
        ConfigError: None has, or several have, or there is none of the name.
        SealError: A seal is damaged or gone that may be of this date or say more of it.
        Unreadable: A seal cannot be read, of which the same is true.
    """
    there = [(archive, name) for archive, names in archives for name in names]
    named = [each for each in there if asked.chain in {None, str(each[1])}]
    if there and not named:
        names = ", ".join(str(name) for _, name in there)
        raise ConfigError("--chain", [f"{asked.chain}: there is none of it: there is {names}"])
    read = [
        (archive, read_chain(archive, name, (), mapped=threads.mapped)) for archive, name in named
    ]
    for _, chain in read:
        raise_unread(chain.findings)
    found = [each for each in read if links_of_date(each[1].links, asked.on)]
    for _, chain in found or read:
        _raise_damaged(chain, asked.on)
    if not found:
        names = ", ".join(str(chain.name) for _, chain in read) or "no account"
        raise ConfigError("--date", [f"{asked.date}: no seal of {names} is of this date"])
    if len(found) > 1:
        names = ", ".join(str(chain.name) for _, chain in found)
        told = f"{names} have seals of {asked.date}: say which with --chain or --profile"
        raise ConfigError("--log-group", [told])
    return found[0]


def _raise_damaged(chain: Chain, date: str) -> None:
    """Refuse to take a seal for the newest one, or a date for one without seals, that may not be.

    Raises:
        SealError: A place has no seal that can be read: one from the date's first seal on, or,
            where none of the date was found, any. What lies over one that is there is nothing here.
    """
    [first, *_] = [*links_of_date(chain.links, date), None]
    if first is not None:
        there = [link for link in chain.links if link.sequence >= first.sequence]
        if len(there) == (chain.reach or 0) - first.sequence + 1:
            return
    read = {link.key for link in chain.links}
    for each in reversed(chain.findings):
        if isinstance(each, _OF_A_PLACE):
            raise each
        if isinstance(each, HiddenError) and each.thing not in read:  # nothing but a marker is left
            raise each


def _notes(places: Sequence[str], chain: Chain) -> list[str]:
    """Return the notes of a chain's head.

    Raises:
        ConfigError: There is none where some were given, or there are too many.
    """
    link = chain.links[-1]
    head = Head(chain.name, link.sequence, link.sha256)
    found, others = [], []
    for name, stored in stored_notes(places):
        try:
            of = Head.parse(SignedNote.parse(stored).text)
        except NoteError as error:
            raise ConfigError("--witness", [f"{name}: no note of a chain: {error}"]) from error
        if of == head:
            found.append(stored.decode())
        else:
            others.append(f"{name}: of {of.chain}, {of}")
    found = list(dict.fromkeys(found))
    if len(found) > MOST_NOTES:
        told = f"{len(found)} notes are of the newest one, {head}: give {MOST_NOTES} at most"
        raise ConfigError("--witness", [told])
    if places and not found:
        told = f"no note is of the newest one, {head}: ask the witness once it has seen it"
        raise ConfigError("--witness", [told, *others])
    return found
