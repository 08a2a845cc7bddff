"""What can go wrong here and in no other service, sorted by what happens next."""

from logferry_deliveries.errors import AwsError, RetryError


class OvertakenError(RetryError):
    """Leave the window to the other invocation that has written meanwhile."""

    reason = "overtaken"
    is_usual = True


class BusyError(AwsError):
    """Try again in a moment: the account has as many queries, or calls, as it may."""


class CannotCountError(AwsError):
    """Give up counting: AWS will not, however often it is asked.

    Attributes:
        why: The reason in a word, as a recount says it.
    """

    why = "refused"


class NotAllowedError(CannotCountError):
    """Give up counting: the source's role may not."""

    why = "not_allowed"


class GoneError(CannotCountError):
    """Give up counting: the log group, or the query, is not there any more."""

    why = "gone"
