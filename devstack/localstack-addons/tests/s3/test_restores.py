from datetime import UTC, datetime

import pytest

from localstack_addons.refusals import Refusal
from localstack_addons.s3.restores import Restore, check

ASKED = datetime(2026, 11, 21, 9, 12, tzinfo=UTC)


def test_a_copy_goes_at_the_midnight_after_its_days():
    restore = Restore(2, ASKED, is_ongoing=False)
    assert restore.until == datetime(2026, 11, 24, tzinfo=UTC)
    assert restore.header(ASKED) == (
        'ongoing-request="false", expiry-date="Tue, 24 Nov 2026 00:00:00 GMT"'
    )
    assert restore.header(restore.until) is None


def test_of_what_is_under_way_nothing_but_that_is_said():
    assert Restore(2, ASKED).header(ASKED) == 'ongoing-request="true"'


@pytest.mark.parametrize(
    ("storage_class", "tier", "header"),
    [
        ("GLACIER", "Expedited", None),
        ("DEEP_ARCHIVE", None, None),
        ("DEEP_ARCHIVE", "Bulk", 'ongoing-request="false", expiry-date="x"'),
    ],
)
def test_what_s3_takes_is_taken(storage_class, tier, header):
    check(storage_class, 1, tier, header)


@pytest.mark.parametrize(
    ("storage_class", "days", "tier", "header", "code"),
    [
        ("DEEP_ARCHIVE", 1, "Expedited", None, "InvalidArgument"),
        ("GLACIER", 1, "Fast", None, "InvalidArgument"),
        ("GLACIER", None, None, None, "InvalidArgument"),
        ("GLACIER", 1, None, 'ongoing-request="true"', "RestoreAlreadyInProgress"),
    ],
)
def test_what_s3_does_not_take_is_refused(storage_class, days, tier, header, code):
    with pytest.raises(Refusal) as refused:
        check(storage_class, days, tier, header)
    assert refused.value.code == code
