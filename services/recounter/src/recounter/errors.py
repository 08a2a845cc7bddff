"""What can go wrong here and in no other service, sorted by what happens next."""

from collections.abc import Mapping

from logferry_deliveries.errors import AwsError, RetryError


class OvertakenError(RetryError):
    """Leave the window to the other invocation that has written meanwhile."""

    reason = "overtaken"
    is_usual = True


class TooManyDifferError(RetryError):
    """Page: so many exports of a date differ that the exports themselves may be wrong.

    Attributes:
        dates: How many of how many, by date.
    """

    reason = "too_many_differ"

    def __init__(self, dates: Mapping[str, str]) -> None:
        """Say what it may mean."""
        told = ", ".join(f"{each} ({differ})" for each, differ in sorted(dates.items()))
        super().__init__(
            f"CloudWatch Logs has more events than the archive in too many exports of {told}: "
            "nothing is added by itself. Many agents may have been offline, as in an outage. Or "
            "export tasks leave events out, or take them by another time than by their own: then "
            "what is added now is missing again tomorrow. Ask AWS, and see `logferry acceptance`. "
            "recount.stop_permille lets it go on"
        )
        self.dates = dict(dates)


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


class UndecidedError(Exception):
    """Leave it to a query: what came in late cannot be told by the log streams."""
