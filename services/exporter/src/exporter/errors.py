"""What can go wrong, sorted by what happens to the message then."""


class ExportRefusedError(Exception):
    """Fail the export at once and dead-letter: only a person can mend it.

    Attributes:
        reason: Why, as a reason code, such as ``bucket_policy``.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Keep AWS's own words in ``message``."""
        super().__init__(message)
        self.reason = reason


class CallRefusedError(Exception):
    """Try again for some hours, then fail the export by it: AWS refuses one of our own calls.

    Attributes:
        reason: Why, as a reason code, such as ``access_denied``; ``unknown_refusal`` if nobody
            knows.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Keep AWS's own words in ``message``."""
        super().__init__(message)
        self.reason = reason


class ObjectsRemovedError(Exception):
    """Fail the export and ask for the next generation: what was written is not all there any more.

    The message names an object, and how many there are.
    """


class HalfDamagedError(Exception):
    """Fail the export and ask for the next generation: a half's ledger record is lost."""


class WrongSourceError(Exception):
    """Dead-letter before anything is read or written: the message is for another exporter."""


class SlotBusyError(Exception):
    """Wait: another export task is active in the account and Region. Not a failure."""


class NotForDirectLaneError(Exception):
    """Hand the export over to the slot: the direct lane cannot do it, or not in time."""


class OutOfTimeError(NotForDirectLaneError):
    """As above; or try again, as the next invocation may have more time."""


class NotAddedError(Exception):
    """Leave a completed export as it is: nobody can say what is missing of it, or add that."""


class TooMuchForDirectLaneError(NotForDirectLaneError):
    """Read the window in parts: as a whole it has too many bytes, or takes too long."""


class LedgerConflictError(Exception):
    """Read again and decide again: somebody else changed the ledger record meanwhile."""


class NotFinishedError(Exception):
    """Give the message back: there is nothing to do for it until some time has passed.

    Attributes:
        interval_s: After how many seconds to look again.
    """

    def __init__(self, interval_s: int) -> None:
        """Say when the next look is."""
        super().__init__(f"look again in {interval_s} s")
        self.interval_s = interval_s


class TransientError(Exception):
    """Give the message back for a short while: AWS was busy, or the outcome is not known.

    Should that not help, others go first, and after almost a day the export fails.
    """
