"""Of lawful histories nothing is called invalid, and no byte of them can be changed unseen."""

from collections.abc import Callable
from typing import Any

import pytest
from contracts.tests.sealed_archive import (
    HOUR_MS,
    Archive,
    Folder,
    SealingKey,
    errors,
    found,
    gz,
    verdict,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logferry_contracts.seal_key import SEALS
from logferry_contracts.window import Window

OLD, NEW = SealingKey(), SealingKey()
NAMES = ("/a", "/a/b", "a", "/b")
PROFILES = ("shop-prod", "shop")
SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

DAYS = st.tuples(
    st.just("day"),
    st.sampled_from([23, 24, 25, 17]),
    st.booleans(),
    st.dictionaries(
        st.sampled_from(NAMES),
        st.sampled_from(["archived", "archived", "skipped", "excluded", "failed", "open"]),
        max_size=3,
    ),
)
LATER = st.tuples(st.just("later"), st.integers(0, 20), st.sampled_from(NAMES))
EVENTS = st.one_of(
    DAYS,
    DAYS,
    LATER,
    st.just(("rename",)),
    st.just(("rotate",)),
    st.just(("copy",)),
    st.just(("blind",)),
)


class History:
    """An archive that went through some lawful events."""

    def __init__(self, events: list[Any]) -> None:
        self.archive = Archive(key=OLD)
        self.places: dict[tuple[str, Window], int] = {}
        self.leftovers: list[Any] | None = []
        for name, *details in events:
            getattr(self, f"_{name}")(*details)

    def _day(self, hours: int, is_hourly: bool, outcomes: dict[str, str]) -> None:  # noqa: FBT001
        archive = self.archive
        covers = archive.window(hours * HOUR_MS)
        length = HOUR_MS if is_hourly else hours * HOUR_MS
        starts = range(covers.from_ms, covers.to_ms, length)
        windows = [archive.window(length, start) for start in starts]
        statements = []
        for name, outcome in outcomes.items():
            for window in windows if name != "/a/b" else [covers]:
                self.places[name, window] = 1
                statements.append(self._stated(name, window, outcome))
        archive.day(statements, covers)

    def _later(self, which: int, name: str) -> None:
        there = [place for place in self.places if place[0] == name]
        if not there:
            return
        name, window = there[which % len(there)]
        self.places[name, window] += 1
        self.archive.later([self._stated(name, window, "archived")], window)

    def _rename(self) -> None:
        source = self.archive.source
        profile = PROFILES[source.profile == PROFILES[0]]
        self.archive.source = source.model_copy(update={"profile": profile})

    def _rotate(self) -> None:
        if self.archive.key is OLD:
            self.archive.rotate(NEW)

    def _copy(self) -> None:
        for key in self.archive.object_keys()[:2]:
            self.archive.bucket.copy_over(key)

    def _blind(self) -> None:
        """From here on nobody looks at what else lies below the prefixes."""
        self.leftovers = None

    def _stated(self, name: str, window: Window, outcome: str) -> Any:
        if outcome == "archived":
            tries = self.places[name, window]
            return self.archive.archived(name, window, generation=tries, leftovers=self.leftovers)
        return self.archive.statement(name, window, outcome)

    def reachable(self) -> list[str]:
        """Return the keys that a check opens, which are all but what nothing refers to any more."""
        self.archive.bucket.opened.clear()
        assert errors(found(self.archive, keys=[OLD])) == []
        return sorted(self.archive.bucket.opened)


@SETTINGS
@given(st.lists(EVENTS, min_size=1, max_size=8))
def test_no_lawful_history_is_called_invalid(events: list[Any]) -> None:
    history = History(events)

    assert verdict(found(history.archive, keys=[OLD])) == "valid"
    assert verdict(found(history.archive, keys=[OLD], store=Folder(history.archive.bucket))) == (
        "valid"
    )


def _flipped(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def _cut(data: bytes, at: int) -> bytes:
    return data[: at % len(data)]


def _without(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + data[at + 1 :]


def _with_one_more(data: bytes, at: int) -> bytes:
    at %= len(data) + 1
    return data[:at] + b" " + data[at:]


@pytest.mark.parametrize(
    "change",
    [
        _flipped,
        _cut,
        pytest.param(_without, marks=pytest.mark.deep),
        pytest.param(_with_one_more, marks=pytest.mark.deep),
    ],
)
@SETTINGS
@given(st.lists(EVENTS, min_size=1, max_size=5), st.data())
def test_no_byte_of_a_chain_is_changed_unseen(
    change: Callable[[bytes, int], bytes], events: list[Any], data: st.DataObject
) -> None:
    history = History(events)
    if not (keys := history.reachable()):
        return
    key = data.draw(st.sampled_from(keys))
    at = data.draw(st.integers(0, 100_000))
    bucket = history.archive.bucket
    before = bucket.data(key)
    after = change(before, at) if before else b" "

    bucket.replace(key, after)

    assert verdict(found(history.archive, keys=[OLD])) == "invalid", (key, at)


@SETTINGS
@given(st.lists(EVENTS, min_size=2, max_size=6), st.data())
def test_nothing_is_taken_away_but_the_end_unseen(events: list[Any], data: st.DataObject) -> None:
    history = History(events)
    end = f"/seals/{history.archive.sequence:010d}.json"
    keys = [each for each in history.reachable() if not each.endswith(end)]
    if not keys:
        return
    bucket, key = history.archive.bucket, data.draw(st.sampled_from(keys))
    data.draw(st.sampled_from([bucket.remove, bucket.hide]))(key)

    assert verdict(found(history.archive, keys=[OLD])) == "invalid"


@SETTINGS
@given(st.lists(EVENTS, min_size=1, max_size=6), st.data())
def test_nothing_is_laid_over_or_added_unseen(events: list[Any], data: st.DataObject) -> None:
    history = History(events)
    keys = history.reachable()
    objects = [key for key in keys if not key.startswith(SEALS)]
    is_added: bool = data.draw(st.booleans())
    if objects and is_added:
        key = f"{data.draw(st.sampled_from(objects)).rpartition('/')[0]}/000007.gz"
    elif keys:
        key = data.draw(st.sampled_from(keys))
    else:
        return
    history.archive.bucket.put(key, gz([0], "not what was sealed"))

    assert verdict(found(history.archive, keys=[OLD])) == "invalid"
