"""What comes after a date was sealed is appended: another seal, never another word in the first."""

from collections import Counter
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from services.sealer.tests.conftest import (
    ARCHIVE,
    CHAIN,
    CONTROL,
    DAY,
    FIRST,
    HOUR,
    World,
    day,
)

from logferry_contracts.ledger_record import Waived
from logferry_contracts.message import timestamp
from logferry_contracts.seal_key import seal_key, seals_prefix
from logferry_contracts.window import Window


@pytest.fixture
def sealed(world: World) -> World:
    """A world whose first date is sealed: one log group archived, one failed."""
    world.exported("/a", day(0))
    world.failed(world.record("/f", day(0)))
    world.inventory("/a", "/f", at=FIRST + DAY + HOUR)
    world.look()
    world.check()
    return world


def test_dates_before_the_first_seal_do_not_each_read_the_whole_chain(sealed: World) -> None:
    for number in range(1, 11):
        sealed.exported("/a", day(-number))
    before = len(sealed.cloud.calls)

    assert sealed.look(seal_from="2026-11-11")

    assert len(sealed.check()) == 11
    prefix = seals_prefix(CHAIN)
    calls = sealed.cloud.calls[before:]
    read = Counter(key for name, key in calls if name == "GetObject" and key.startswith(prefix))
    assert max(read.values()) <= 4


def test_nothing_is_sealed_again_where_nothing_has_changed(sealed: World) -> None:
    before = sealed.statements()

    for _ in range(3):
        assert sealed.look()

    assert len(sealed.check()) == 1
    assert sealed.statements() == before
    assert sealed.told() == [1]


def test_an_export_that_is_mended_later_gets_a_seal_of_its_own(sealed: World) -> None:
    sealed.exported("/f", day(0), generation=2)

    assert sealed.look()

    first, later = sealed.check()
    assert (first.kind, later.kind) == ("day", "later")
    assert later.sealed is not None
    assert (later.sealed.covers, later.sealed.reason) == (day(0), "exported_since")
    assert sealed.outcomes(later) == [("/f", "archived", None)]
    assert sealed.told() == [1, 2]


def test_a_window_that_is_waived_later_gets_a_seal_of_its_own(sealed: World) -> None:
    record = sealed.record("/f", day(0))
    waived = Waived(at=timestamp(sealed.now), by="arn:aws:iam::111122223333:user/x", reason="why")
    sealed.keep(sealed.failed(record).as_waived(waived))

    sealed.look()

    assert [each.sealed.reason for each in sealed.check() if each.sealed] == [None, "waived"]


def test_a_record_that_changes_without_saying_another_thing_is_not_sealed_again(
    sealed: World,
) -> None:
    record = sealed.exported("/a", day(1))
    sealed.cloud.objects.pop((CONTROL, record.key))
    body = sealed.cloud.body(CONTROL, sealed.record("/a", day(0)).key)
    assert body is not None
    sealed.cloud.put(CONTROL, sealed.record("/a", day(0)).key, body + b" ")

    sealed.look()

    assert len(sealed.check()) == 1


def test_what_is_tried_again_stays_what_it_was_until_it_has_ended(sealed: World) -> None:
    second = sealed.keep(sealed.record("/f", day(0), 2))
    sealed.failed(sealed.record("/f", day(0)), next_export_id=second.export_id)

    sealed.look()
    assert len(sealed.check()) == 1
    sealed.exported("/f", day(0), generation=2)
    sealed.look()

    assert len(sealed.check()) == 2


def test_a_log_group_that_nobody_knew_of_gets_a_leaf_later(sealed: World) -> None:
    sealed.exported("/z", day(0))

    sealed.look()

    assert sealed.outcomes(sealed.check()[1]) == [("/z", "archived", None)]


def test_a_date_is_not_looked_at_for_ever(sealed: World) -> None:
    sealed.now += 50 * DAY
    sealed.look()
    sealed.exported("/f", day(0), generation=2)

    sealed.look()

    assert {each.kind for each in sealed.check()} == {"day"}


@pytest.mark.parametrize("lost", ["seals/"])
def test_without_its_notes_a_chain_goes_on(sealed: World, lost: str) -> None:
    for key in sealed.cloud.below(CONTROL, lost):
        sealed.cloud.objects.pop((CONTROL, key))
    sealed.exported("/a", day(1))
    sealed.inventory("/a", at=day(1).end + HOUR)
    sealed.now = day(1).end + 2 * HOUR

    sealed.look()

    assert [each.sequence for each in sealed.check()] == [1, 2]
    assert sealed.told() == [1, 2]


@pytest.mark.parametrize("kind", ["P-256", "RSA"])
def test_another_key_is_named_by_the_one_before_and_signs_from_then_on(
    sealed: World, kind: str
) -> None:
    arn = "arn:aws:kms:eu-west-1:999988887777:key/next"
    sealed.cloud.keys[arn] = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "P-256"
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    sealed.restart(signing_key_arn=arn)
    sealed.exported("/a", day(1))
    sealed.inventory("/a", at=day(1).end + HOUR)
    sealed.now = day(1).end + 2 * HOUR

    sealed.look()
    sealed.look()

    seals = sealed.check()
    assert [each.kind for each in seals] == ["day", "key", "day"]
    assert seals[1].next_key is not None
    assert (seals[1].next_key.arn, seals[2].key_arn) == (arn, arn)
    assert seals[2].key_id == seals[1].next_key.id
    assert sealed.told() == [1, 2, 3]


def test_the_dates_before_the_first_seal_are_sealed_late_where_that_is_asked_for(
    sealed: World,
) -> None:
    for number in (-3, -2, -1):
        sealed.exported("/a", day(number))

    sealed.look(seal_from="2026-11-19")

    seals = sealed.check()
    assert [(each.sealed.covers, each.sealed.is_late) for each in seals if each.sealed] == [
        (day(0), False),
        (day(-1), True),
        (day(-2), True),
    ]
    assert sealed.outcomes(seals[1]) == [("/a", "archived", None)]


def test_after_dates_were_sealed_late_the_next_one_is_the_next_one(sealed: World) -> None:
    sealed.exported("/a", day(-1))
    sealed.look(seal_from="2026-11-20")
    sealed.exported("/a", day(1))
    sealed.inventory("/a", at=day(1).end + HOUR)
    sealed.now = day(1).end + 2 * HOUR

    sealed.look()

    covers = [each.sealed.covers for each in sealed.check() if each.sealed]
    assert covers == [day(0), day(-1), day(1)]


def test_a_seal_that_somebody_covers_does_not_end_its_chain(
    sealed: World, capsys: pytest.CaptureFixture[str]
) -> None:
    key = seal_key(CHAIN, 1)
    sealed.cloud.put(ARCHIVE, key, b"another one")
    sealed.cloud.put(ARCHIVE, key, None)
    sealed.exported("/a", day(1))
    sealed.inventory("/a", at=day(1).end + HOUR)
    sealed.now = day(1).end + 2 * HOUR

    sealed.look()

    sealed.cloud.objects[ARCHIVE, key] = sealed.cloud.objects[ARCHIVE, key][:1]
    assert [each.sequence for each in sealed.check()] == [1, 2]
    assert '"SealsTampered"' in capsys.readouterr().out


def test_what_the_ledger_says_of_other_chains_changes_nothing(
    new_world: Callable[..., World],
) -> None:
    world = new_world()
    world.cloud.put(CONTROL, "inventories/999900001111/eu-west-1/x.jsonl", b"")
    world.inventory("/a")

    world.look(chain=None)

    assert len(world.cloud.sent) == 2


def test_what_somebody_has_put_beside_the_inventories_keeps_no_source_from_its_seals(
    new_world: Callable[..., World],
) -> None:
    world = new_world()
    for stray in ("old/eu-west-1/x.jsonl", "111122223333/backup copy/x.jsonl", "readme.txt"):
        world.cloud.put(CONTROL, f"inventories/{stray}", b"")
    world.inventory("/a")

    assert world.look(chain=None)

    assert len(world.cloud.sent) == 1


def test_truth_that_comes_later_is_sealed_also_where_somebody_has_removed_the_notes(
    world: World,
) -> None:
    world.exported("/a", day(0))
    world.failed(world.record("/b", day(0)))
    world.failed(world.record("/c", day(0)))
    world.inventory("/a", "/b", "/c", at=FIRST + DAY + HOUR)
    world.look()
    world.exported("/b", day(0), generation=2)
    world.look()
    for key in world.cloud.below(CONTROL, "seals/"):
        world.cloud.objects.pop((CONTROL, key))
    world.exported("/c", day(0), generation=2)
    world.look()

    first, second, third = world.check()
    assert [each.kind for each in (first, second, third)] == ["day", "later", "later"]
    assert [name for name, *_ in world.outcomes(third)] == ["/c"]


@pytest.fixture
def unplanned(world: World) -> World:
    """A world whose first date is sealed: nobody has planned its last hour."""
    hours = [Window.between(FIRST + n * HOUR, FIRST + (n + 1) * HOUR) for n in range(23)]
    for hour in hours:
        world.exported("/a", hour)
        world.exported("/b", hour)
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    world.now = FIRST + 4 * DAY
    world.look()
    assert ("/a", "open", "not_planned") in world.outcomes(world.check()[0])
    return world


def lose_drafts(world: World) -> None:
    for key in world.cloud.below(CONTROL, "seals/"):
        if "/dates/" in key:
            world.cloud.objects.pop((CONTROL, key))


def test_what_was_open_is_not_taken_for_skipped_where_the_draft_is_lost(unplanned: World) -> None:
    lose_drafts(unplanned)
    unplanned.exported("/b", day(0, HOUR), generation=2)
    before = len(unplanned.check())

    assert unplanned.look()

    later = [each for each in unplanned.check()[before:] if each.kind == "later"]
    assert [unplanned.outcomes(each) for each in later] == [[("/b", "archived", None)]]


def test_windows_that_are_cut_anew_take_no_word_back_where_the_draft_is_lost(
    unplanned: World,
) -> None:
    lose_drafts(unplanned)
    unplanned.exported("/b", Window.between(FIRST + 23 * HOUR, FIRST + 23.5 * HOUR))
    before = len(unplanned.check())

    assert unplanned.look()

    later = [each for each in unplanned.check()[before:] if each.kind == "later"]
    assert [unplanned.outcomes(each) for each in later] == [[("/b", "archived", None)]]


def test_a_record_that_somebody_removes_makes_no_lawful_skip_of_what_was_sealed(
    world: World,
) -> None:
    half = DAY / 2
    world.exported("/gone", day(0, half))
    record = world.failed(world.record("/gone", Window.between(FIRST + half, FIRST + DAY)))
    world.inventory(at=FIRST + DAY + HOUR)
    world.look()
    world.cloud.objects.pop((CONTROL, record.key))

    assert world.look()

    assert len(world.check()) == 1
