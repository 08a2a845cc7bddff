"""What can go wrong, sorted by what happens to the message then."""


class SettingsError(Exception):
    """The environment is unusable: page. Every invocation fails until somebody mends it."""


class EnforcerError(Exception):
    """One object or message could not be dealt with; nothing of it is lost."""


class RefusedError(EnforcerError):
    """Dead-letter: trying again cannot help. What the message is about was left as it is.

    Attributes:
        reason: Why, in a word, such as ``too_large_to_copy``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Name the object or message and what is wrong with it in ``detail``."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RetryError(EnforcerError):
    """Retry: give the message back to its queue. Every step may be done again."""


class OutOfTimeError(RetryError):
    """Retry: the invocation ends before the message is done."""


class KmsKeyError(RetryError):
    """Retry, and page: there is no key to encrypt with. Objects stay as they are meanwhile."""


class AwsError(RetryError):
    """Retry: AWS refused or failed a call. The queue's maxReceiveCount ends it.

    Attributes:
        code: AWS's error code, such as ``SlowDown``.
    """

    def __init__(self, operation: str, subject: str, code: str, message: str) -> None:
        """Name the call, what it was about, and what AWS said."""
        super().__init__(f"{operation} of {subject}: {code}: {message}")
        self.code = code


class EncryptionRefusedError(AwsError):
    """S3 denies encryption in place: Object Lock is in the way, or a permission is missing."""


class RemovalRefusedError(AwsError):
    """S3 denies a removal: Object Lock is in the way, or a permission is missing."""
