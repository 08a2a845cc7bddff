"""What checking an archive can find: a class for each attack, and for what remains unknown.

A `SealError` means that the archive is not what was sealed. It is an exception so that who checks
one thing may raise it; who checks an archive collects them all.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

type Verdict = Literal["valid", "invalid", "unchecked"]


class SealError(Exception):
    """The archive is not what was sealed.

    Attributes:
        thing: What it is about, such as a key.
        what: What is wrong with it, with the value.
        mend: What to do.
    """

    MEND: ClassVar[str] = "Find out who did it, and restore it from a copy"

    def __init__(self, thing: str, what: str, mend: str | None = None) -> None:
        self.thing = thing
        self.what = what
        self.mend = mend or self.MEND
        super().__init__(f"{thing}: {what}. {self.mend}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Be the same error in another process."""
        return type(self), (self.thing, self.what, self.mend)

    @property
    def code(self) -> str:
        """The class in a word, such as ``seals_missing``."""
        name = type(self).__name__.removesuffix("Error")
        return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class SealsMissingError(SealError):
    """Seals were taken out of the chain: their sequence has a hole."""

    MEND = "Restore them from a copy, or from their versions: nothing else says what they sealed"


class HiddenError(SealError):
    """A delete marker lies over something sealed. Its versions are still there."""

    MEND = "Remove the delete marker"


class CoveredError(SealError):
    """Another version lies over something sealed, or beside it."""

    MEND = "Find out who wrote it; the version that was sealed is still there"


class SquattedError(SealError):
    """Something lies among the seals that is no seal."""

    MEND = "Find out who wrote it: nobody but the sealer may"


class NotASealError(SealError):
    """What lies in a seal's place cannot be read as one."""


class ReserialisedError(SealError):
    """The same content, written otherwise: a copy that was formatted anew proves nothing."""

    MEND = "Copy the files byte by byte, as they are in the archive"


class WrongChainError(SealError):
    """A seal of another account or Region lies in this chain."""


class WrongPlaceError(SealError):
    """A seal lies in the place of another one of its chain: an older one was put there."""


class ForgedSealError(SealError):
    """A seal says that it is signed by a trusted key, and is not: it was edited."""


class ForeignKeyError(SealError):
    """A seal is signed by a key that is not trusted."""

    MEND = "If that key was yours, give its public key as well; otherwise somebody else has sealed"


class RetiredKeyError(SealError):
    """A seal is signed by a key that had been replaced before."""

    MEND = "Find out who still uses the old key, and disable it"


class UnlawfulRotationError(SealError):
    """A seal names a new key, and may not, or names another one than it shows."""

    MEND = "Only the key before may name the next one; find out who has"


class BrokenLinkError(SealError):
    """A seal names another seal before it than the one that is there: that one was replaced."""


class TwoHistoriesError(SealError):
    """Two seals of one place are both signed by a trusted key."""

    MEND = "Find out which one was announced, and who could sign the other"


class GapError(SealError):
    """Between two seals is a time that none covers."""

    MEND = "Find the seals of that time, or seal it"


class OverlapError(SealError):
    """Two seals of the kind day cover the same time."""

    MEND = "Find out which one is right: a date is sealed once, and then by seals of the kind later"


class UncoveredError(SealError):
    """A later seal is of a time that no seal of the kind day covers."""

    MEND = "Find the seals of that time, or seal it"


class LeavesMissingError(SealError):
    """The list of a seal's leaves is not there."""


class LeavesChangedError(SealError):
    """The list of a seal's leaves is not the one that the seal names."""


class RootError(SealError):
    """A list of leaves has not the root, or the number of leaves, that its seal says."""

    MEND = "The sealer has signed what does not fit: keep both, and report it"


class LeavesDisorderedError(SealError):
    """A list of leaves is not in order, or has a window of a log group twice."""

    MEND = "The sealer has signed what does not fit: keep both, and report it"


class WindowMissingError(SealError):
    """A log group's windows leave out a part of the time that their seal covers."""

    MEND = "Look into the ledger for that time, and have it exported and sealed"


class WindowOutsideError(SealError):
    """A log group's window lies outside of what its seal covers."""

    MEND = "The sealer has signed what does not fit: keep both, and report it"


class CountsError(SealError):
    """A seal counts other outcomes, objects, events or bytes than its statements have."""

    MEND = "The sealer has signed what does not fit: keep both, and report it"


class StatementMissingError(SealError):
    """The statement of a leaf is not there."""


class StatementChangedError(SealError):
    """The statement of a leaf was edited: it has not the leaf's hash."""


class StatementSwappedError(SealError):
    """A statement is of another source, log group or window than its leaf."""


class StatementBrokenError(SealError):
    """A statement has its leaf's hash, but cannot be read."""

    MEND = "The sealer has signed what does not fit: keep both, and report it"


class ContradictedError(SealError):
    """The sealer has found that ledger and archive differ."""

    MEND = "Export the window again or waive it; a later seal then has the last word"


class ObjectMissingError(SealError):
    """A sealed object is not in the archive."""


class ObjectChangedError(SealError):
    """A sealed object has other bytes than were sealed."""


class ObjectTruncatedError(ObjectChangedError):
    """A sealed object is shorter than was sealed."""


class ObjectAddedError(SealError):
    """An object lies among those of a log group's window that was never sealed."""

    MEND = "Find out who wrote it; readers by prefix take it for an export's"


class HoldLiftedError(SealError):
    """Something sealed is not on legal hold."""

    MEND = "Put it on hold again with a full sweep, and find out who lifted the hold"


class CutOffError(SealError):
    """A witness has seen more seals of the chain than there are: its end was cut off."""

    MEND = "Restore them from a copy, or from their versions: nothing else says what they sealed"


class SecondHistoryError(SealError):
    """A witness has seen another seal in a place of the chain: the chain was written anew."""

    MEND = "Keep both; find out who could sign, and from where the witness's seal can be restored"


class BegunAnewError(SealError):
    """The chain's first seal was made after a witness had seen others of this chain."""

    MEND = "Restore the chain that the witness has seen; find out who has begun another one"


class ForgedNoteError(SealError):
    """A note says that it is signed by a trusted witness, and is not: it was edited."""

    MEND = "Get the note from the witness again, and find out who has changed this one"


class ForeignWitnessError(SealError):
    """A note is signed by none of the witnesses that are trusted."""

    MEND = "If that witness is yours, give its key as well; otherwise somebody else has signed"


class TwoHeadsError(SealError):
    """A witness has signed two seals of one place: it contradicts itself."""

    MEND = "Believe neither note until the witness's operator has found out why"


class OtherHeadError(SealError):
    """A note is of another seal than the one that it is shown for."""

    MEND = "Get the note of this very seal from the witness"


class ProofHeadError(SealError):
    """The seals of a proof do not end with the one that it names as the newest."""

    MEND = "Ask for the proof again: seals were cut off from its end"


class OtherDateError(SealError):
    """A proof begins with a seal that is not of its date."""

    MEND = "Ask for the proof of this date"


class OtherProofError(SealError):
    """A proof is of another account, Region, log group or date than was asked for."""

    MEND = "Ask for the right one"


class SealLeftOutError(SealError):
    """A proof does not show the leaves of each seal that has a word on its date."""

    MEND = "Ask for the proof again: what it leaves out may have the last word"


class NotInTheSealError(SealError):
    """What a proof shows is not in the tree of the seal: statement, path or place was changed."""

    MEND = "Ask for the proof again, and find out who has changed it"


class NotBesideError(SealError):
    """What a proof shows as the leaves beside the log group's is not, or is missing."""

    MEND = "Ask for the proof again: a leaf may be left out"


class NotBetweenError(SealError):
    """The log group's place is not between the leaves that a proof shows."""

    MEND = "Ask for the proof again, and find out who has changed it"


class LeafLeftOutError(SealError):
    """A proof does not show all leaves that a seal has of the log group."""

    MEND = "Ask for the proof again: what it leaves out may have the last word"


class OtherObjectError(SealError):
    """An object is none of those that a proof is of."""

    MEND = "Find out who has changed it, or whose it is"


class MeasureError(SealError):
    """An object's bytes are those that were sealed, but not what the statement says of them."""

    MEND = "The sealer has measured wrongly: keep both, and report it"


class DisposalError(SealError):
    """A disposal is of objects that were never sealed, or of others than were."""

    MEND = "Find out who ordered it, and have what was removed restored from a copy"


@dataclass(frozen=True)
class Disposed:
    """What was in the archive, and is removed because somebody answers for it: lawful, and told.

    Attributes:
        thing: The log group and the window.
        what: Who has ordered it, when and why.
    """

    thing: str
    what: str

    def __str__(self) -> str:
        return f"{self.thing}: {self.what}."


@dataclass(frozen=True)
class Unchecked:
    """Something that could not be checked.

    Attributes:
        thing: Such as a key.
        why: Such as that it is in GLACIER.
        mend: What to do so that it can be.
    """

    thing: str
    why: str
    mend: str

    def __str__(self) -> str:
        return f"{self.thing}: {self.why}. {self.mend}."


class Unread(Unchecked):
    """Something that could not be read."""


@dataclass(frozen=True)
class Note:
    """Something lawful that somebody may want to know of."""

    thing: str
    what: str

    def __str__(self) -> str:
        return f"{self.thing}: {self.what}."


type Finding = SealError | Unchecked | Disposed | Note


def perhaps(error: SealError) -> Unchecked:
    """Return what is told of an error which a seal that could not be read may explain."""
    why = f"{error.what}, unless a seal that could not be read says why"
    return Unchecked(error.thing, why, "Make that seal readable, and check again")


@dataclass
class Tally:
    """Counts findings, and keeps none.

    Attributes:
        errors: How many of each `SealError.code`.
        unchecked: How many things could not be checked.
        disposed: How many windows somebody has had removed, or has given up.
        notes: How many are lawful.
    """

    errors: Counter[str] = field(default_factory=Counter)
    unchecked: int = 0
    disposed: int = 0
    notes: int = 0

    def add(self, finding: Finding) -> None:
        """Count one."""
        match finding:
            case SealError():
                self.errors[finding.code] += 1
            case Unchecked():
                self.unchecked += 1
            case Disposed():
                self.disposed += 1
            case Note():
                self.notes += 1

    @property
    def told(self) -> tuple[int, int, int]:
        """How much there is that every check has to tell: all but notes."""
        return self.errors.total(), self.unchecked, self.disposed

    @property
    def verdict(self) -> Verdict:
        """``unchecked`` where nothing is wrong, but not everything could be checked."""
        if self.errors:
            return "invalid"
        return "unchecked" if self.unchecked else "valid"
