"""What there is of each source and date, and the page of it: on moto."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import boto3
import pytest
from cli.tests.ledgers import hub_on_moto, record_like

from logferry.command import main
from logferry.commands.console import DONE
from logferry.config import Config
from logferry.coverage import cover
from logferry_contracts.ledger_key import ledger_prefix
from logferry_contracts.ledger_record import LedgerRecord, Waived
from logferry_contracts.open_exports import note_key, whole_key
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit
from logferry_ledger.coverage import Day, Missing, SourceCoverage, state_of
from logferry_ledger.coverage_page import IN_WORDS, OF_A_DATE, page
from logferry_ledger.ledger import Ledger

DAY_MS = 86_400_000
SEOUL_MS = 1_795_186_800_000
"""2026-11-21T00:00 in Seoul, which is the configuration's time zone."""
NOW = datetime(2026, 11, 28, 3, tzinfo=UTC)
SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")


def window(day: int) -> Window:
    return Window(from_ms=SEOUL_MS + day * DAY_MS, to_ms=SEOUL_MS + (day + 1) * DAY_MS)


class World:
    """A hub's ledger whose open exports have notes, and how often its records were read."""

    def __init__(self, session: boto3.Session, config: Config) -> None:
        self.session, self.config = session, config
        self.s3 = session.client("s3")
        self.read = 0
        self.put_object(whole_key(SHOP), b"")

    def put_object(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.config.control_bucket, Key=key, Body=body)

    def put(self, example: str, group: str, *, day: int, **changes: Any) -> LedgerRecord:
        made = record_like(example, SHOP, group, window(day), **changes)
        self.put_object(made.key, emit(made).encode())
        return made

    def note(self, record: LedgerRecord) -> None:
        self.put_object(note_key(record), b"")

    def covered(self, days: int = 12) -> SourceCoverage:
        sources = [self.config.source("shop")]
        [found] = cover(self.session, self.config, sources, days=days, now=NOW)
        return found

    def states(self) -> dict[str, str]:
        return {f"{on:%d}": day.state for on, day in self.covered().days.items()}


@pytest.fixture
def world(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with hub_on_moto(config, monkeypatch) as session:
        world = World(session, config)
        whole = Ledger.read

        def read(self: Ledger, key: str) -> LedgerRecord:
            world.read += 1
            return whole(self, key)

        monkeypatch.setattr(Ledger, "read", read)
        yield world


def test_each_date_is_called_by_its_worst(world: World) -> None:
    world.put("completed", "/a", day=0)
    world.put("completed", "/a", day=1)
    world.note(world.put("failed-before-a-task", "/b", day=1))
    world.put("skipped", "/a", day=2, skipped={"reason": "empty", "at": "2026-11-25T06:00:00Z"})
    world.put("completed", "/a", day=4)
    world.note(world.put("requested", "/b", day=4))

    assert world.states() == {
        **dict.fromkeys(["17", "18", "19", "20"], "before"),
        "21": "archived",
        "22": "failed",
        "23": "empty",
        "24": "gap",
        "25": "under way",
        **dict.fromkeys(["26", "27", "28"], "not yet due"),
    }
    [missing] = world.covered().days[date(2026, 11, 22)].missing
    assert (missing.log_group, missing.state) == ("/b", "failed")


@pytest.mark.parametrize(
    ("counts", "sealed", "all_empty", "state"),
    [
        ({"archived": 3, "skipped": 2}, True, False, "sealed"),
        ({"archived": 3}, False, True, "archived"),
        ({"skipped": 2}, True, True, "empty"),
        ({"skipped": 2}, True, False, "skipped"),
        ({"archived": 3, "waived": 1}, True, True, "waived"),
        ({"archived": 3, "waived": 1, "under way": 1}, True, True, "under way"),
        ({"under way": 1, "failed": 1}, False, True, "failed"),
        ({}, False, True, "empty"),
    ],
)
def test_the_states(
    counts: dict[str, int],
    sealed: bool,  # noqa: FBT001  (a case)
    all_empty: bool,  # noqa: FBT001  (a case)
    state: str,
) -> None:
    assert state_of(Counter(counts), sealed=sealed, all_empty=all_empty) == state


def test_a_source_that_plans_no_longer_has_a_gap_up_to_what_is_due(world: World) -> None:
    world.put("completed", "/a", day=-4)

    assert world.states()["18"] == "gap"
    assert world.states()["28"] == "not yet due"


def test_a_key_that_looks_like_a_window_without_end_hides_no_gap(world: World) -> None:
    world.put("completed", "/a", day=-4)
    odd = Window(from_ms=window(-4).to_ms, to_ms=253402300799999)
    world.put_object(f"{ledger_prefix(SHOP, odd)}x", b"")

    assert world.states()["18"] == "gap"
    assert world.states()["28"] == "not yet due"


def test_what_the_sealer_has_sealed_and_looks_at_no_more_is_sealed(world: World) -> None:
    for day in range(3):
        world.put("completed", "/a", day=day)
    begun = window(0).to_ms - 1000
    world.put_object(f"inventories/444455556666/eu-west-1/{begun:015d}-{'0' * 32}.jsonl", b"")
    sealed = {"covers": window(1).model_dump(), "date": "2026-11-22"}
    chain = json.dumps({"dates": [sealed]}).encode()
    world.put_object("seals/444455556666/eu-west-1/chain.json", chain)

    states = world.states()
    assert [states[day] for day in ("21", "22", "23")] == ["sealed", "sealed", "archived"]


def test_the_second_time_no_record_is_read_and_one_object_has_the_counts_of_all(
    world: World,
) -> None:
    for day in range(3):
        world.put("completed", "/a", day=day)
    first = world.covered()
    world.covered()
    world.read = 0
    gets: list[str] = []
    client = "before-call.s3.GetObject"
    world.session.events.register(client, lambda params, **_: gets.append(params["url_path"]))

    again = world.covered()

    assert (first.read, again.read, world.read) == (3, 0, 0)
    assert again.days == first.days
    assert sum("/counts/444455556666/eu-west-1/" in each for each in gets) == 0


def test_what_has_failed_since_it_was_counted_or_was_waived_is_counted_anew(world: World) -> None:
    world.put("completed", "/a", day=-3)
    failed = world.put("failed-before-a-task", "/b", day=-3)
    world.note(failed)
    assert world.states()["18"] == "failed"

    world.s3.delete_object(Bucket=world.config.control_bucket, Key=note_key(failed))
    waived = Waived(
        by="arn:aws:iam::111122223333:user/ann", reason="Old", at="2026-11-27T00:00:00Z"
    )
    changed = failed.model_copy(update={"waived": waived})
    world.put_object(changed.key, emit(changed).encode())

    assert world.states()["18"] == "waived"


def test_the_command_writes_one_file_and_says_how_many_dates_there_are_of_each_state(
    world: World, path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.put("completed", "/a", day=0)
    written = tmp_path / "coverage.html"
    with pytest.raises(SystemExit) as ended:
        main(["coverage", path, "-o", str(written), "--profile", "shop", "--json"])

    assert ended.value.code == DONE
    [shop] = json.loads(capsys.readouterr().out)
    assert sum(shop["dates"].values()) == 400
    assert "logferry-archive-111122223333-eu-west-1" in written.read_text()


def fleet(sources: int, days: int) -> list[SourceCoverage]:
    """Sources with other counts each, a date of each with some that failed."""
    first = date(2025, 10, 25)
    found = []
    for number in range(sources):
        name = SourceName(
            profile=f"team-{number:03}", account_id=f"{number:012}", region="eu-west-1"
        )
        by_date = {}
        for n in range(days):
            counts = Counter(archived=100 + (number * 31 + n * 7) % 400, skipped=(number + n) % 90)
            by_date[first + timedelta(days=n)] = Day(state="sealed", counts=counts)
        bad = by_date[first + timedelta(days=(number * 13) % days)]
        bad.state = "failed"
        bad.missing = [
            Missing(log_group=f"/aws/lambda/<b>{number}-{n}", state="failed", why="access_denied")
            for n in range(20)
        ]
        found.append(
            SourceCoverage(profile=name.profile, name=name, time_zone="UTC", days=by_date, read=0)
        )
    return found


@pytest.mark.parametrize("accounts", [100, pytest.param(500, marks=pytest.mark.deep)])
def test_400_days_fit_in_6_kb_for_each_account(accounts: int) -> None:
    text = "".join(page(fleet(accounts, 400), "organization.yaml", "archive", now=NOW))

    assert len(text.encode()) <= 6_000 * accounts


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_two_states_look_alike_even_to_who_sees_no_colours(scheme: str) -> None:
    """By their marks, or else by how light they are; a mark stands out from its own ground."""
    text = "".join(page(fleet(2, 3), "organization.yaml", "archive", now=NOW))
    light, dark = re.findall(r":root {(.*?)}", text.partition("@media print")[0], re.DOTALL)
    told = light if scheme == "light" else light + dark
    colours = dict(re.findall(r"(--\w+): (#\w+);", told))
    legend = re.findall(
        r"<li><span style=\"background:var\((.*?)\);color:var\((.*?)\)\">(.*?)<", text
    )
    looks = [(mark, lightness(colours[ground])) for ground, _, mark in legend]

    assert len(legend) == len(IN_WORDS)
    for one, other in combinations(looks, 2):
        assert one[0] != other[0] or contrast(one[1], other[1]) > 1.2, (one, other)
    for ground, ink, mark in legend:
        assert not mark or contrast(lightness(colours[ground]), lightness(colours[ink])) > 4.5


def lightness(colour: str) -> float:
    """Return the relative luminance of ``#rgb`` or ``#rrggbb``.

    https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
    """
    digits = colour.removeprefix("#")
    pairs = [each * 2 for each in digits] if len(digits) == 3 else re.findall("..", digits)
    parts = [int(each, 16) / 255 for each in pairs]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: float, other: float) -> float:
    """Return WCAG's contrast ratio, 1 for what is alike and 21 at most."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_a_log_group_that_is_called_like_markup_is_text() -> None:
    [one] = fleet(1, 3)
    bad = next(day for day in one.days.values() if day.missing)
    bad.missing[0] = Missing(log_group="</script><script>x", state="failed", why="<img src=x>")

    text = "".join(page([one], "organization.yaml", "archive", now=NOW))

    assert "<script>x" not in text
    assert "<img" not in text
    assert len(re.findall("<script", text)) == 2


def test_of_many_log_groups_of_one_date_the_first_are_named(world: World) -> None:
    [one] = fleet(1, 3)
    bad = next(day for day in one.days.values() if day.missing)
    bad.missing = [
        Missing(log_group=f"/{n:04}", state="failed", why="x") for n in range(3 * OF_A_DATE)
    ]

    text = "".join(page([one], "organization.yaml", "archive", now=NOW))

    assert (f'"/{OF_A_DATE - 1:04}"' in text, f'"/{OF_A_DATE:04}"' in text) == (True, False)
