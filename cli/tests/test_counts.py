"""What windows come to, kept beside the ledger and believed of the very same listing: on moto."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cli.tests.ledgers import EXAMPLES, hub_on_moto, record_like

from logferry.command import main
from logferry.commands.console import DONE
from logferry.config import Config
from logferry_contracts.ledger_key import ledger_prefix
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit
from logferry_ledger.counts import Counts, count, counts_key, counts_of
from logferry_ledger.ledger import Ledger
from logferry_ledger.listing import list_keys_and_etags

DAY_MS = 86_400_000
SEOUL_MS = 1_795_186_800_000
"""2026-11-21T00:00 in Seoul, which is the configuration's time zone."""
SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
DATES = ("--from", "2026-11-21", "--to", "2026-11-22")


def window(day: int) -> Window:
    return Window(from_ms=SEOUL_MS + day * DAY_MS, to_ms=SEOUL_MS + (day + 1) * DAY_MS)


PREFIX = ledger_prefix(SHOP, window(0))


class World:
    """A hub's ledger, and how often which of its objects were read."""

    def __init__(self, session: boto3.Session, config: Config) -> None:
        self.s3 = session.client("s3")
        self.bucket = config.control_bucket
        self.ledger = Ledger(self.s3, self.bucket)
        self.read: Counter[str] = Counter()

    def put(self, example: str, group: str, *, day: int = 0, **changes: Any) -> LedgerRecord:
        made = record_like(example, SHOP, group, window(day), **changes)
        self.s3.put_object(Bucket=self.bucket, Key=made.key, Body=emit(made).encode())
        return made

    def kept(self) -> bytes | None:
        return self.ledger.note(counts_key(PREFIX))


@pytest.fixture
def world(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with hub_on_moto(config, monkeypatch) as session:
        world = World(session, config)
        whole = Ledger.read

        def read(self: Ledger, key: str) -> LedgerRecord:
            world.read[key] += 1
            return whole(self, key)

        monkeypatch.setattr(Ledger, "read", read)
        yield world


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """Runs a command that does what it is to; returns what it printed and told."""

    def run(*arguments: str) -> tuple[str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == DONE
        captured = capsys.readouterr()
        return captured.out, captured.err.replace("\n", " ")

    return run


def test_records_that_were_counted_are_not_read_again(world: World) -> None:
    world.put("secured", "/a")
    world.put("skipped", "/b")

    first, was_known = counts_of(world.ledger, PREFIX)
    assert not was_known
    assert world.read.total() == 2
    assert counts_of(world.ledger, PREFIX) == (first, True)
    assert world.read.total() == 2
    assert first.states == {"secured": 1, "skipped": 1}
    assert first.announced_of(SHOP).events == 1


@pytest.mark.parametrize("change", ["written anew", "another one", "removed"])
def test_counts_are_believed_of_the_very_same_listing_alone(world: World, change: str) -> None:
    world.put("completed", "/a")
    record = world.put("completed", "/b")
    counts_of(world.ledger, PREFIX)

    if change == "written anew":
        world.put("lost-after-secured", "/b")
    elif change == "another one":
        world.put("completed", "/c")
    else:
        world.s3.delete_object(Bucket=world.bucket, Key=record.key)
    counted, was_known = counts_of(world.ledger, PREFIX)

    assert not was_known
    events = {"written anew": 1, "another one": 3, "removed": 1}[change]
    assert counted.announced_of(SHOP).events == events


@pytest.mark.parametrize("kept", [b"", b"{", b"{}", b"[]", b'{"listing_sha256": null}', b"\xff"])
def test_counts_that_nobody_can_read_are_counted_again(world: World, kept: bytes) -> None:
    world.put("secured", "/a")
    world.ledger.put_note(counts_key(PREFIX), kept)

    counted, was_known = counts_of(world.ledger, PREFIX)

    assert not was_known
    assert counted.states == {"secured": 1}
    assert counts_of(world.ledger, PREFIX) == (counted, True)


def test_what_is_about_to_change_is_not_kept(world: World) -> None:
    world.put("secured", "/a")
    world.put("submitted", "/b")

    assert counts_of(world.ledger, PREFIX)[0].under_way == {
        "/b": world.put("submitted", "/b").requested_at
    }
    assert world.kept() is None


def test_a_damaged_record_is_named_each_time(world: World) -> None:
    damaged = world.put("secured", "/a")
    world.s3.put_object(Bucket=world.bucket, Key=damaged.key, Body=b"{")

    for _ in range(2):
        [problem] = counts_of(world.ledger, PREFIX)[0].damaged
        assert problem.startswith(f"s3://{world.bucket}/{damaged.key} is not")


def test_whoever_may_only_read_does_without(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put("secured", "/a")
    denied = {"Error": {"Code": "AccessDenied", "Message": "not authorized"}}

    def put_note(*_: object) -> None:
        raise ClientError(denied, "PutObject")  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "put_note", put_note)

    assert counts_of(world.ledger, PREFIX)[0].states == {"secured": 1}


@pytest.mark.parametrize(
    "example", sorted(path.stem for path in EXAMPLES.glob("*/accept/*.json")), ids=str
)
def test_what_is_kept_is_what_was_counted(world: World, example: str) -> None:
    world.put(example, "/a")
    listed = world.ledger.listed(PREFIX)

    counted = count(listed, world.ledger.read_listed(listed))

    assert Counts.model_validate_json(counted.model_dump_json()) == counted
    assert counts_of(world.ledger, PREFIX)[0] == counted


def test_another_profiles_exports_are_counted_as_its_own(world: World) -> None:
    world.put("secured", "/a", source=SHOP.model_dump() | {"profile": "other"})
    world.put("secured", "/b")

    counted, _ = counts_of(world.ledger, PREFIX)

    assert {name: each.events for name, each in counted.announced.items()} == {
        "other": 1,
        "shop": 1,
    }


def test_a_replay_reads_no_record_of_a_window_that_is_counted(
    world: World, path: str, run: Callable[..., tuple[str, str]]
) -> None:
    for day in range(2):
        world.put("secured", "/a", day=day)
    replay = ("events", "replay", path, *DATES, "--dry-run", "--json")

    first, told = run(*replay)
    assert "The records of 2 of 2 windows were read" in told
    reads = world.read.total()
    again, told = run(*replay)

    assert again == first
    assert "were read" not in told
    assert world.read.total() == reads == 2


def test_a_rebuilt_index_has_counted_every_window(
    world: World, path: str, run: Callable[..., tuple[str, str]]
) -> None:
    world.put("secured", "/a")

    run("index", "rebuild", path, "--dry-run")
    assert world.kept() is None
    run("index", "rebuild", path)
    reads = world.read.total()
    run("events", "replay", path, *DATES, "--dry-run")

    assert world.read.total() == reads


def test_status_of_dates_reads_no_record_of_a_window_that_is_counted(
    world: World, path: str, run: Callable[..., tuple[str, str]]
) -> None:
    run("index", "rebuild", path)
    world.put("secured", "/a")
    counts_of(world.ledger, PREFIX)
    reads = world.read.total()

    with pytest.raises(SystemExit):
        main(("status", path, *DATES, "--json", "--profile", "shop"))

    assert world.read.total() == reads


def test_keys_and_etags_are_listed_as_botocore_lists_them(world: World) -> None:
    names = ["ledger/a&b<c>'\"", "ledger/ü %2F+", *(f"ledger/{n}" for n in range(13))]
    world.s3.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2",
        lambda params, **_: params.setdefault("MaxKeys", 10),
    )
    for name in names:
        world.s3.put_object(Bucket=world.bucket, Key=name, Body=name.encode())
    plain = world.ledger.listed("ledger/")

    list_keys_and_etags(world.s3)

    assert world.ledger.listed("ledger/") == plain
    assert {key for key, _ in plain} == set(names)
    assert world.ledger.listed("ledger/none") == []
    with pytest.raises(ClientError, match="NoSuchBucket"):
        Ledger(world.s3, "no-such-bucket").listed("ledger/")
