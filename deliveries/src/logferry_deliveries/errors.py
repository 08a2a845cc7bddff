"""What can go wrong, sorted by what happens to the message then."""


class NotDoneError(Exception):
    """One message, or one thing of it, could not be dealt with; nothing that was done is lost."""


class RefusedError(NotDoneError):
    """Dead-letter: trying again cannot help. What the message is about was left as it is.

    Attributes:
        reason: Why, in a word, such as ``wrong_bucket``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Name the thing and what is wrong with it in ``detail``."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RetryError(NotDoneError):
    """Retry: give the message back to its queue. Every step may be done again.

    Attributes:
        pause_s: When to try again, in seconds; None for a pause that grows with each attempt.
        reason: What the dead letter says, in a word, when the last attempt has failed.
        is_usual: Whether it happens where nothing is wrong, so that no log line needs a traceback.
    """

    pause_s: int | None = None
    reason = "not_done"
    is_usual = False


class OutOfTimeError(RetryError):
    """Retry at once: the invocation ends before the message is done. What was done stays so."""

    pause_s = 1
    reason = "out_of_time"
    is_usual = True


class KmsKeyError(RetryError):
    """Retry, and page: there is no key to encrypt with. Objects stay as they are meanwhile."""

    reason = "no_key"


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
