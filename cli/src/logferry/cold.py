"""Objects in GLACIER or DEEP_ARCHIVE, which have to be restored before they can be read.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html
"""

from datetime import UTC, datetime, time, timedelta
from typing import Literal, NamedTuple

type Tier = Literal["Expedited", "Standard", "Bulk"]
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html"""

COLD = ("GLACIER", "DEEP_ARCHIVE")
"""Classes whose objects have to be restored before they can be read."""


class Cold(NamedTuple):
    """A version in GLACIER or DEEP_ARCHIVE.

    Attributes:
        version_id: None for the latest.
        storage_class: One of `COLD`.
        is_thawing: Whether a copy was asked for, and is not there yet.
        until: When the copy that can be read goes again; None where there is none.
    """

    key: str
    version_id: str | None
    size_bytes: int
    storage_class: str
    is_thawing: bool
    until: datetime | None

    @property
    def is_frozen(self) -> bool:
        """Whether there is no copy, and none was asked for."""
        return self.until is None and not self.is_thawing


def gone_at(now: datetime, days: int) -> datetime:
    """Return when a copy goes that is asked for now: at a midnight in UTC.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
    """
    later = now.astimezone(UTC) + timedelta(days=days)
    midnight = datetime.combine(later.date(), time(), UTC)
    return midnight if later == midnight else midnight + timedelta(days=1)
