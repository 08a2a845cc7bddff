from types import SimpleNamespace

import pytest

from localstack_addons.lambda_.polling import has_none


@pytest.mark.parametrize(("messages", "expected"), [(0, True), (1, False)])
def test_a_queue_is_asked_only_where_it_has_messages(messages: int, *, expected: bool):
    assert has_none(SimpleNamespace(approximate_number_of_messages=messages)) is expected


def test_a_queue_that_is_gone_is_asked_so_that_the_poller_hears_of_it():
    assert not has_none(None)
