"""A chain's end: which seals there are, what was told of them, and how the next one is put on.

A seal is put on by a write that succeeds only where there is none of its sequence: of several
sealers one does it, and the others begin again from what it has written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger

from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import PAYLOAD_TYPE, DaySeal, SealedWindows
from logferry_contracts.day_sealed import DaySealed, SealLocation
from logferry_contracts.digest import sha256
from logferry_contracts.dsse import pae_sha256
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.statement import CONTRADICTED as CONTRADICTED_OUTCOME
from logferry_deliveries.queues import Topic
from sealer.aws.notes import ChainNote, Notes, SealedDate
from sealer.aws.seals import Seals
from sealer.aws.signing import SigningKeys
from sealer.head import ReadSeal, StoredSeal, read
from sealer.metrics import CONTRADICTED, SEALED, TAMPERED
from sealer.turn import Turn

logger = Logger()


@dataclass(kw_only=True)
class Chain:
    """One chain as an invocation knows it.

    Attributes:
        head: The newest seal; None where there is none.
        day: The date that was sealed up to; None where none was.
        note: What is known of it besides.
        etag: Of the note; None where there is none.
    """

    name: ChainName
    head: ReadSeal | None
    day: SealedWindows | None
    note: ChainNote
    etag: str | None


@dataclass(frozen=True, kw_only=True)
class Links:
    """Reads chains, and puts seals on them."""

    seals: Seals
    keys: SigningKeys
    topic: Topic
    notes: Notes
    key_arn: str
    look_back: timedelta

    def chain(self, name: ChainName, turn: Turn) -> Chain:
        """Return a chain, after whatever of it nobody was told of has been told.

        Raises:
            OvertakenError: Another invocation is at it.
        """
        found = self.notes.chain(name)
        note, etag = found or (ChainNote(dates=[]), None)
        stored = self.seals.after(name, max(note.published - 1, 0))
        if not stored and note.published:  # the note says more than there is
            stored = self.seals.after(name, 0)
        turn.counts[TAMPERED] += sum(not each.is_alone for each in stored)
        chain = Chain(name=name, head=None, day=None, note=note, etag=etag)
        if stored:
            chain.head = self._read(stored[-1])
            chain.day = self._last_day(name, stored)
            # Of a note that was lost nobody knows what was told: the newest is, once more.
            least = note.published if etag is not None else stored[-1].sequence - 1
            if etag is None:
                chain.note = note.model_copy(update={"dates": self.days(name)})
            for each in stored:
                if each.sequence > least:
                    self._tell(chain, self._read(each))
            self._note(chain, turn.now)
        self._change_key(chain, turn)
        return chain

    def append(
        self,
        chain: Chain,
        turn: Turn,
        *,
        arn: str | None = None,
        **said: Any,
    ) -> ReadSeal:
        """Sign the next seal of a chain, put it on, and tell of it; return it.

        Args:
            chain: Which; it goes on from the new seal.
            turn: When, and what it counts.
            arn: Of the key that signs; None for the one that it is to be.
            said: The kind, and what belongs to it.

        Raises:
            OvertakenError: Another invocation was faster.
        """
        public = self.keys.public(arn or self.key_arn)
        seal = DaySeal.of(
            chain=chain.name,
            sequence=1 if chain.head is None else chain.head.seal.sequence + 1,
            previous_sha256=None if chain.head is None else chain.head.sha256,
            sealed_at=timestamp(turn.now),
            key_id=public.id,
            key_arn=public.arn,
            **said,
        )
        payload = seal.payload()
        sig = self.keys.sign(public.arn, pae_sha256(PAYLOAD_TYPE, payload))
        envelope = seal.envelope(payload, sig)
        stored = self.seals.append(chain.name, seal.sequence, envelope)
        chain.head = link = ReadSeal(stored=stored, sha256=sha256(envelope), seal=seal)
        if seal.sealed is not None:
            turn.counts[SEALED] += seal.kind == "day"
            turn.counts[CONTRADICTED] += seal.sealed.outcomes.get(CONTRADICTED_OUTCOME, 0)
            if seal.kind == "day" and not seal.sealed.is_late:
                chain.day = seal.sealed
        logger.info("sealed", sequence=seal.sequence, kind=seal.kind, chain=str(chain.name))
        self._tell(chain, link)
        self._note(chain, turn.now)
        return link

    def note_zone(self, name: ChainName, time_zone: str) -> None:
        """Note the zone of a date that was completed: the next one to be sealed is of it, too."""
        found = self.notes.chain(name)
        note, etag = found or (ChainNote(dates=[]), None)
        if note.time_zone != time_zone:
            self.notes.keep_chain(name, note.model_copy(update={"time_zone": time_zone}), etag)

    def keep(self, chain: Chain, dates: Sequence[SealedDate]) -> None:
        """Note what is known of a chain's sealed dates."""
        chain.note = chain.note.model_copy(update={"dates": list(dates)})
        chain.etag = self.notes.keep_chain(chain.name, chain.note, chain.etag)

    def envelopes(self, name: ChainName, since: int) -> list[ReadSeal]:
        """Return the seals of a chain from a sequence on."""
        return [self._read(each) for each in self.seals.after(name, since - 1)]

    def days(self, name: ChainName) -> list[SealedDate]:
        """Return all dates of a chain, by their seals of the kind ``day``."""
        found = (SealedDate.of(link.seal) for link in self.envelopes(name, 1))
        return [each for each in found if each is not None]

    def _read(self, stored: StoredSeal) -> ReadSeal:
        return read(stored, self.seals.read(stored))

    def _last_day(self, name: ChainName, stored: Sequence[StoredSeal]) -> SealedWindows | None:
        """Return the date that was sealed up to; those that were sealed late come before it."""
        late = None
        for each in reversed(stored):
            seal = self._read(each).seal
            if seal.kind == "day" and seal.sealed is not None:
                if not seal.sealed.is_late:
                    return seal.sealed
                late = seal.sealed
        if stored[0].sequence > 1:
            return self._last_day(name, self.seals.after(name, 0))
        return late

    def _tell(self, chain: Chain, link: ReadSeal) -> None:
        """Publish a seal, and have its date looked at from now on."""
        seal, stored = link.seal, link.stored
        location = SealLocation(
            bucket=self.seals.bucket, key=stored.key, version_id=stored.version_id
        )
        self.topic.publish(DaySealed.of_seal(seal, link.sha256, location))
        changes: dict[str, Any] = {"published": seal.sequence}
        entry = SealedDate.of(seal)
        if entry is not None:
            others = [each for each in chain.note.dates if each.covers != entry.covers]
            changes["dates"] = [*others, entry]
        chain.note = chain.note.model_copy(update=changes)

    def _note(self, chain: Chain, now: datetime) -> None:
        """Note what was told, without the dates that are not looked at any more."""
        since_ms = epoch_ms(now - self.look_back)
        dates = [each for each in chain.note.dates if each.covers.to_ms > since_ms]
        changed = chain.note.model_copy(update={"dates": dates})
        chain.etag = self.notes.keep_chain(chain.name, changed, chain.etag)
        chain.note = changed

    def _change_key(self, chain: Chain, turn: Turn) -> None:
        """Let the key that has signed so far name the one that signs from now on."""
        if chain.head is None:
            return
        seal = chain.head.seal
        signs = seal.key_arn if seal.next_key is None else seal.next_key.arn
        if signs != self.key_arn:
            self.append(chain, turn, arn=signs, kind="key", next_key=self.keys.public(self.key_arn))
