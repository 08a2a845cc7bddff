"""What can go wrong here and in no other service, sorted by what happens to the message then."""

from logferry_deliveries.errors import AwsError, RetryError


class OvertakenError(RetryError):
    """Retry at once: another invocation has sealed meanwhile; its seal is the head now."""

    pause_s = 1
    reason = "overtaken"
    is_usual = True


class NotAsWrittenError(RetryError):
    """Retry, and page: what was read back is not what was written."""

    reason = "not_as_written"


class OfflineError(AwsError):
    """Retry: an object has to be restored before anybody can read it. Its date goes on without."""

    reason = "offline"


class TooLargeError(RetryError):
    """Retry: no invocation has read an object to its end. Its date goes on without."""

    reason = "too_large"
