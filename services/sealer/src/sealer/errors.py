"""What can go wrong, sorted by what happens to the message then."""


class SealerError(Exception):
    """One message could not be dealt with; nothing that was stated or sealed is lost."""


class RefusedError(SealerError):
    """Dead-letter: trying again cannot help.

    Attributes:
        reason: Why, in a word, such as ``wrong_bucket``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Name the thing and what is wrong with it in ``detail``."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RetryError(SealerError):
    """Retry: give the message back to its queue. Every step may be done again.

    Attributes:
        pause_s: When to try again, in seconds; None for a pause that grows with each attempt.
        reason: What the dead letter says, in a word, when the last attempt has failed.
    """

    pause_s: int | None = None
    reason = "not_done"


class OutOfTimeError(RetryError):
    """Retry at once: the invocation ends before the message is done. What was done is noted."""

    pause_s = 1
    reason = "out_of_time"


class OvertakenError(RetryError):
    """Retry at once: another invocation has sealed meanwhile; its seal is the head now."""

    pause_s = 1
    reason = "overtaken"


class NotAsWrittenError(RetryError):
    """Retry, and page: what was read back is not what was written."""

    reason = "not_as_written"


class AwsError(RetryError):
    """Retry: AWS refused or failed a call. After the last attempt it is a dead letter.

    Attributes:
        code: AWS's error code, such as ``SlowDown``.
    """

    reason = "aws_refuses"

    def __init__(self, operation: str, subject: str, code: str, message: str) -> None:
        """Name the call, what it was about, and what AWS said."""
        super().__init__(f"{operation} of {subject}: {code}: {message}")
        self.code = code


class OfflineError(AwsError):
    """Retry: an object has to be restored before anybody can read it. Its date goes on without."""

    reason = "offline"
