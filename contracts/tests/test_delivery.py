"""docs/delivery.md names, for each promise, a test that exists."""

import re

import pytest
from contracts.tests.documents import CONTRACTS

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.message import CloudEvent

DELIVERY = CONTRACTS.parent / "docs" / "delivery.md"
TEXT = DELIVERY.read_text("utf-8")
NAMED = re.findall(r"\[`(test_[a-z0-9_]+)`\]\(([^)]+)\)", TEXT)


@pytest.mark.parametrize(("name", "path"), NAMED)
def test_a_promise_names_a_test_that_exists(name: str, path: str) -> None:
    assert re.search(rf"^def {name}\(", (DELIVERY.parent / path).read_text("utf-8"), re.MULTILINE)


def test_every_promise_names_its_test() -> None:
    promises = [part for part in TEXT.split("\n\n") if part.startswith("**")]
    without = [each for each in promises if "— [`test_" not in each]

    assert len(promises) >= 8
    # There is no test of what is not promised.
    assert [each.split("**")[1] for each in without] == ["Order is not promised"]


def test_every_type_that_it_names_is_an_events() -> None:
    types = {model.TYPE for model in MESSAGES.values() if issubclass(model, CloudEvent)}

    assert set(re.findall(r"`(logferry\.[a-z.]+\.v[0-9]+)`", TEXT)) <= types
