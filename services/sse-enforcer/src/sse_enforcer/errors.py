"""What can go wrong here and in no other service, sorted by what happens to the message then."""

from logferry_deliveries.errors import AwsError, RetryError


class CopyUnderWayError(RetryError):
    """Retry later: another invocation is copying the object, or was until it was killed."""

    reason = "copy_under_way"
    is_usual = True

    def __init__(self, subject: str, pause_s: int) -> None:
        """Name the object, and when the other invocation has ended for sure."""
        super().__init__(f"{subject} is being copied, for {pause_s} s at most")
        self.pause_s = pause_s


class OvertakenError(RetryError):
    """Retry: another invocation goes on with the same sweep, which is then this one's too."""


class EncryptionRefusedError(AwsError):
    """S3 denies encryption in place: Object Lock is in the way, or a permission is missing."""


class EncryptionUnsupportedError(AwsError):
    """S3 has no way to encrypt this version in place: for its kind, or in this Region."""


class RemovalRefusedError(AwsError):
    """S3 denies a removal: Object Lock is in the way, or a permission is missing."""
