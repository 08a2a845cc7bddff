"""What can go wrong, sorted by what happens to the message then."""


class EnforcerError(Exception):
    """One object or message could not be dealt with; nothing of it is lost."""


class RefusedError(EnforcerError):
    """Dead-letter: trying again cannot help. What the message is about was left as it is.

    Attributes:
        reason: Why, in a word, such as ``offline``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Name the object or message and what is wrong with it in ``detail``."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RetryError(EnforcerError):
    """Retry: give the message back to its queue. Every step may be done again.

    Attributes:
        pause_s: When to try again, in seconds; None for a pause that grows with each attempt.
        reason: What the dead letter says, in a word, when the last attempt has failed.
    """

    pause_s: int | None = None
    reason = "not_done"


class OutOfTimeError(RetryError):
    """Retry at once: the invocation ends before the message is done."""

    pause_s = 1
    reason = "out_of_time"


class CopyUnderWayError(RetryError):
    """Retry later: another invocation is copying the object, or was until it was killed."""

    reason = "copy_under_way"

    def __init__(self, subject: str, pause_s: int) -> None:
        """Name the object, and when the other invocation has ended for sure."""
        super().__init__(f"{subject} is being copied, for {pause_s} s at most")
        self.pause_s = pause_s


class OvertakenError(RetryError):
    """Retry: another invocation goes on with the same sweep, which is then this one's too."""


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


class EncryptionRefusedError(AwsError):
    """S3 denies encryption in place: Object Lock is in the way, or a permission is missing."""


class EncryptionUnsupportedError(AwsError):
    """S3 has no way to encrypt this version in place: for its kind, or in this Region."""


class RemovalRefusedError(AwsError):
    """S3 denies a removal: Object Lock is in the way, or a permission is missing."""
