"""`logferry retention --apply` and `--undo`: nothing is shortened that is not safe."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.client import BaseClient
from cli.tests.conftest import Run
from cli.tests.in_s3 import SHOP, OnMoto, buckets_on_moto
from cli.tests.ledgers import record_like
from cli.tests.test_retention import Now, listed, put_inventory
from contracts.tests.sealed_archive import DAY_MS, START_MS, Archive, SealingKey

from logferry import source_logs
from logferry.commands import retention as commands
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.errors import RetentionError
from logferry.log_retention import BACKDATED_MS
from logferry.source_logs import LiveLogGroup
from logferry_contracts.chain import ChainName
from logferry_contracts.export import export_id
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.open_exports import whole_key
from logferry_contracts.seal_key import seal_key
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

NAME = "/app/a"
NOW = from_epoch_ms(START_MS + 32 * DAY_MS + DAY_MS // 2)
"""Two days and a half are more than 30 days old."""
CREATED_MS = START_MS + BACKDATED_MS + 1
FIRST = Window(from_ms=START_MS, to_ms=START_MS + BACKDATED_MS)
"""It ended before the log group was created."""
SECOND = Window(from_ms=FIRST.to_ms, to_ms=FIRST.to_ms + DAY_MS)
EVENTS = 3


class CloudWatch:
    """A source's account, as `SourceLogs` shows it."""

    def __init__(self) -> None:
        self.at = NOW
        self.live: LiveLogGroup | None = LiveLogGroup(created_ms=CREATED_MS, retention_days=None)
        self.has_policy = False
        self.events: dict[Window, int] = {}
        self.calls: list[str] = []
        self.queried_windows: list[Window] = []
        self.cut_before: str | None = None
        self.scanned_bytes = 0
        self.scans = 0

    def _call(self, name: str) -> None:
        if name == self.cut_before:
            raise RetentionError(f"{name}: ThrottlingException")
        self.calls.append(name)

    def now(self) -> datetime:
        return self.at

    def log_group(self, name: str) -> LiveLogGroup | None:
        self._call("log_group")
        return self.live

    def has_retention_policy(self) -> bool:
        self._call("has_retention_policy")
        return self.has_policy

    def filtered(self, name: str, window: Window) -> int:
        self._call("filtered")
        return self.events.get(window, EVENTS)

    def queried(self, names: list[str], window: Window, most_bytes: int) -> dict[str, int] | None:
        self._call("queried")
        self.queried_windows.append(window)
        if self.scans > most_bytes:
            return None
        self.scanned_bytes += self.scans
        return {name: self.events.get(window, EVENTS) for name in names}

    def keep_for(self, name: str, days: int | None) -> None:
        self._call("keep_for")
        assert self.live is not None
        self.live = LiveLogGroup(created_ms=self.live.created_ms, retention_days=days)

    @property
    def days(self) -> int | None:
        assert self.live is not None
        return self.live.retention_days


class World:
    """A sealed and held archive, the account whose logs it has, and the command."""

    def __init__(self, run: Run, s3: Any, config: Config, archive: Archive, tmp_path: Path) -> None:
        self.s3, self.config, self.archive = s3, config, archive
        self.cloud = CloudWatch()
        self.key = tmp_path / "seals.pem"
        self.key.write_text(archive.key.pem)
        self._run = run

    def apply(self, *more: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code and what became of the only log group's source."""
        options = ("--apply", "--yes", "--json", "--key", str(self.key))
        code, out, err = self._run(*options, *more)
        found = json.loads(out)
        return code, found[0] if found else {"log_groups": [], "problem": err}

    def undo(self) -> tuple[int, list[dict[str, Any]]]:
        code, out, _ = self._run("--undo", "--yes", "--json")
        return code, json.loads(out)

    def run(self, *options: str) -> tuple[int, str, str]:
        return self._run(*options)

    def why(self) -> str:
        """Apply it where something is in the way, and return what."""
        code, found = self.apply()
        assert (code, self.cloud.days) == (FAILED, None)
        assert "keep_for" not in self.cloud.calls
        return found["problem"] or found["log_groups"][0]["why"]

    def notes(self) -> list[dict[str, Any]]:
        listing = self.s3.list_objects_v2(Bucket=self.config.control_bucket, Prefix="retention/")
        return [
            json.loads(
                self.s3.get_object(Bucket=self.config.control_bucket, Key=e["Key"])["Body"].read()
            )
            for e in listing.get("Contents", [])
        ]

    def forget(self) -> None:
        """Have no note of what was set."""
        bucket = self.config.control_bucket
        for each in self.s3.list_objects_v2(Bucket=bucket, Prefix="retention/")["Contents"]:
            self.s3.delete_object(Bucket=bucket, Key=each["Key"])

    def objects(self) -> list[tuple[str, str]]:
        listing = self.s3.list_object_versions(Bucket=self.config.archive_bucket, Prefix="shop/")
        return [(each["Key"], each["VersionId"]) for each in listing["Versions"]]

    def hold(self, key: str, version_id: str, status: str = "ON") -> None:
        self.s3.put_object_legal_hold(
            Bucket=self.config.archive_bucket,
            Key=key,
            VersionId=version_id,
            LegalHold={"Status": status},
        )


@pytest.fixture
def world(
    logferry: Run,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    document: dict[str, Any],
    tmp_path: Path,
) -> Iterator[World]:
    document["recount"] = {"state": "ENABLED"}
    Path(path).write_text(yaml.safe_dump(document))
    monkeypatch.setattr(commands, "datetime", Now)
    # What is small as well: else nothing would be asked of Insights.
    monkeypatch.setattr("logferry.shortening.MOST_FILTERED_EVENTS", -1)
    monkeypatch.setattr("logferry.commands.retention.COUNTED_AT_ONCE", 1)
    monkeypatch.setattr("cli.tests.test_retention.NOW", NOW)
    with buckets_on_moto(config, monkeypatch) as s3:
        s3.delete_bucket(Bucket=config.archive_bucket)
        s3.create_bucket(
            Bucket=config.archive_bucket,
            CreateBucketConfiguration={"LocationConstraint": config.region},
            ObjectLockEnabledForBucket=True,
        )
        archive = Archive(OnMoto(config.archive_bucket), source=SHOP)
        for window in (FIRST, SECOND):
            archive.day([archive.archived(NAME, window)], window, time_zone="Etc/UTC")
        put_inventory(s3, config, [listed(NAME)])
        s3.put_object(Bucket=config.control_bucket, Key=whole_key(SHOP), Body=b"")
        run = partial(logferry, "retention", path, "--profile", "shop")
        made = World(run, s3, config, archive, tmp_path)
        for key, version_id in made.objects():
            made.hold(key, version_id)
        monkeypatch.setattr(source_logs, "reach", lambda *_: made.cloud)
        yield made


def test_what_was_counted_is_sealed_and_held_is_set_and_put_back(world: World) -> None:
    code, found = world.apply()
    [done] = found["log_groups"]
    assert (code, found["problem"], done["why"], world.cloud.days) == (DONE, None, "", 30)
    assert done["outcome"] == "set"
    assert (done["former_days"], done["days"], done["windows"]) == (None, 30, 2)
    [note] = world.notes()
    assert (note["log_group"], note["former_days"], note["days"]) == (NAME, None, 30)
    assert note["state"] == "set"

    code, [undone] = world.undo()
    assert (code, world.cloud.days) == (DONE, None)
    assert (undone["log_groups"][0]["former_days"], undone["log_groups"][0]["days"]) == (30, None)
    assert [each["state"] for each in world.notes()] == ["undone"]
    assert world.undo() == (DONE, [])


def test_people_see_what_could_be_and_then_what_has_become_of_it(world: World) -> None:
    code, out, _ = world.run("--apply", "--yes", "--key", str(world.key))
    assert code == DONE
    assert "Nothing was changed" not in out
    could, was = [line.split() for line in out.splitlines() if NAME in line]
    assert could[:5] == ["shop", NAME, "ever", "30", "days"]
    assert was == ["shop", NAME, "ever", "30", "days", "6", "events", "set"]


def test_what_no_query_reaches_is_read_by_pages(world: World) -> None:
    world.apply()
    assert world.cloud.queried_windows == [SECOND]
    assert world.cloud.calls.count("filtered") == 1


# What is not safe


def _clock(world: World) -> None:
    world.cloud.at = NOW + timedelta(minutes=6)


def _policy(world: World) -> None:
    world.cloud.has_policy = True


def _deleted(world: World) -> None:
    world.cloud.live = None


def _made_anew(world: World) -> None:
    world.cloud.live = LiveLogGroup(created_ms=CREATED_MS + 1, retention_days=None)


def _late(world: World) -> None:
    world.cloud.events[FIRST] = EVENTS + 1


def _fewer(world: World) -> None:
    world.cloud.events[FIRST] = EVENTS - 1


def _refused(world: World) -> None:
    world.cloud.cut_before = "filtered"


def _not_told(world: World) -> None:
    world.cloud.cut_before = "log_group"


def _no_policy_seen(world: World) -> None:
    world.cloud.cut_before = "has_retention_policy"


def _hold_lifted(world: World) -> None:
    key, version_id = world.objects()[0]
    world.hold(key, version_id, "OFF")


def _object_hidden(world: World) -> None:
    world.s3.delete_object(Bucket=world.config.archive_bucket, Key=world.objects()[0][0])


def _object_covered(world: World) -> None:
    key, _ = world.objects()[0]
    world.s3.put_object(Bucket=world.config.archive_bucket, Key=key, Body=b"another")


def _object_exchanged(world: World) -> None:
    """What was sealed is gone, and something of the same length held in its place."""
    (key, version_id), bucket = world.objects()[0], world.config.archive_bucket
    sealed = world.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    world.hold(key, version_id, "OFF")
    world.s3.delete_object(Bucket=bucket, Key=key, VersionId=version_id)
    forged = world.s3.put_object(Bucket=bucket, Key=key, Body=bytes(len(sealed)))
    world.hold(key, forged["VersionId"])


def _object_added(world: World) -> None:
    key, _ = world.objects()[0]
    beside = f"{key.rpartition('/')[0]}/000001.gz"
    world.s3.put_object(Bucket=world.config.archive_bucket, Key=beside, Body=b"more")


def _record(world: World, body: Callable[[Any], bytes]) -> None:
    window = Window(from_ms=SECOND.to_ms, to_ms=SECOND.to_ms + DAY_MS)
    record = record_like("submitted", SHOP, NAME, window)
    key = ledger_key(SHOP, window, export_id(SHOP, NAME, window, 1))
    world.s3.put_object(Bucket=world.config.control_bucket, Key=key, Body=body(record))
    world.s3.delete_object(Bucket=world.config.control_bucket, Key=whole_key(SHOP))


def _open(world: World) -> None:
    _record(world, lambda record: emit(record).encode())


def _record_damaged(world: World) -> None:
    _record(world, lambda _: b"{}")


HOSTILE: list[tuple[Callable[[World], None], str]] = [
    (_clock, "this machine's clock says"),
    (_policy, "the account has a retention policy of its own"),
    (_no_policy_seen, "has_retention_policy: ThrottlingException"),
    (_made_anew, "it was deleted since it was listed"),
    (_not_told, "log_group: ThrottlingException"),
    (_late, "CloudWatch has 1 more events than the archive"),
    (_fewer, "ambiguous: the archive has 1 more events"),
    (_refused, "not counted in CloudWatch: filtered: ThrottlingException"),
    (_hold_lifted, "is not on legal hold"),
    (_object_hidden, "Remove the delete marker"),
    (_object_covered, "lies over it"),
    (_object_exchanged, "with objects that are not as they were sealed"),
    (_object_added, "that were never sealed"),
    (_open, "an export of it is open: submitted"),
    (_record_damaged, "a ledger record is damaged"),
]


@pytest.mark.parametrize(("spoil", "why"), HOSTILE, ids=[each.__name__ for each, _ in HOSTILE])
def test_nothing_is_shortened_that_is_not_safe(
    world: World, spoil: Callable[[World], None], why: str
) -> None:
    spoil(world)
    assert why in world.why()


def test_a_log_group_that_is_gone_is_left(world: World) -> None:
    _deleted(world)
    code, found = world.apply()
    assert (code, found["log_groups"][0]["why"]) == (FAILED, "it was deleted since it was listed")


def test_a_retention_that_somebody_else_has_set_meanwhile_stays(world: World) -> None:
    world.cloud.live = LiveLogGroup(created_ms=CREATED_MS, retention_days=400)
    code, found = world.apply()
    assert (code, world.cloud.days) == (FAILED, 400)
    assert found["log_groups"][0]["why"] == "it is kept for 400 days meanwhile"
    assert world.notes() == []


@pytest.mark.parametrize("outcome", ["contradicted", "waived"])
def test_what_a_later_seal_says_otherwise_is_in_the_way(world: World, outcome: str) -> None:
    said: dict[str, Any] = {  # type: ignore[assignment]
        "contradicted": {"differences": [{"what": "object_missing"}]},
        "waived": {"waiver": {"by": "x", "why": "lost", "at": "2026-11-23T06:31:12.004Z"}},
    }[outcome]
    world.archive.later([world.archive.statement(NAME, FIRST, outcome, **said)], FIRST)
    _, found = world.apply()
    assert (found["log_groups"], world.cloud.days, world.cloud.calls) == ([], None, [])


def test_seals_by_another_key_make_nothing_safe(world: World) -> None:
    world.key.write_text(SealingKey().pem)
    code, found = world.apply()
    assert (code, world.cloud.days, world.cloud.calls) == (FAILED, None, [])
    assert "signed" in found["problem"]


def test_a_seal_that_is_missing_makes_nothing_safe_whatever_somebody_writes_into_the_ledger(
    world: World,
) -> None:
    bucket = world.config.archive_bucket
    chain = ChainName.of(SHOP)
    [seal] = world.s3.list_object_versions(Bucket=bucket, Prefix=seal_key(chain, 1))["Versions"]
    world.s3.delete_object(Bucket=bucket, Key=seal["Key"], VersionId=seal["VersionId"])
    for window in (FIRST, SECOND):
        record = record_like("secured", SHOP, NAME, window)
        body = emit(record).encode()
        world.s3.put_object(Bucket=world.config.control_bucket, Key=record.key, Body=body)
    _, found = world.apply()
    assert (found["log_groups"], world.cloud.days, world.cloud.calls) == ([], None, [])


def test_what_the_budget_does_not_reach_is_left(
    world: World, path: str, document: dict[str, Any]
) -> None:
    document["log_retention"] = {"count_dollars": 4}
    Path(path).write_text(yaml.safe_dump(document))
    world.cloud.scans = 10**12
    code, found = world.apply()
    assert (code, world.cloud.days) == (FAILED, None)
    told = "it would cost more than the $4.00 that are left of log_retention.count_dollars"
    assert found["log_groups"][0]["why"] == f"not counted in CloudWatch: {told}"


# What is asked


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--apply", "--yes"), "--key"),
        (("--apply", "--undo", "--yes"), "one of them"),
    ],
)
def test_what_is_asked_wrongly_is_bad_input(
    world: World, options: tuple[str, ...], told: str
) -> None:
    code, _, err = world.run(*options)
    assert (code, world.cloud.calls) == (BAD_INPUT, [])
    assert told in err


def test_without_a_recounter_nothing_is_shortened(
    world: World, path: str, document: dict[str, Any]
) -> None:
    document["recount"] = {"state": "DISABLED"}
    Path(path).write_text(yaml.safe_dump(document))
    code, _, err = world.run("--apply", "--yes", "--key", str(world.key))
    assert (code, world.cloud.calls) == (BAD_INPUT, [])
    assert "recount: nobody counts" in err


def test_nobody_who_could_answer_is_no_yes(world: World) -> None:
    code, _, err = world.run("--apply", "--key", str(world.key))
    assert (code, world.cloud.calls) == (FAILED, [])
    assert "nobody can be asked" in err


def test_another_log_group_is_left_alone(world: World) -> None:
    code, found = world.apply("--log-group", "/app/b")
    assert (code, found["log_groups"], world.cloud.days) == (DONE, [], None)


# Cut


@pytest.mark.parametrize("call", ["log_group", "queried", "filtered", "keep_for"])
def test_whatever_call_fails_the_same_again_goes_on_and_undo_knows_what_it_was(
    world: World, call: str
) -> None:
    world.cloud.cut_before = call
    world.apply()
    assert world.cloud.days is None
    world.cloud.cut_before = None
    world.apply()
    assert world.cloud.days == 30
    assert [(each["state"], each["former_days"]) for each in world.notes()] == [("set", None)]
    world.undo()
    assert world.cloud.days is None


@pytest.mark.parametrize("put", [1, 2])
def test_a_note_that_cannot_be_written_costs_no_former_value(
    world: World, monkeypatch: pytest.MonkeyPatch, put: int
) -> None:
    from logferry.shortened import Notes  # noqa: PLC0415  (patched here)

    keep, puts = Notes.keep, []

    def failing(self: Notes, note: Any, etag: str | None) -> str:
        puts.append(note)
        if len(puts) == put:
            raise RetentionError("PutObject: SlowDown")
        return keep(self, note, etag)

    monkeypatch.setattr(Notes, "keep", failing)
    code, found = world.apply()
    assert (code, found["log_groups"][0]["outcome"]) == (FAILED, "failed")
    assert world.cloud.days == (None if put == 1 else 30)

    code, found = world.apply()
    assert (code, found["log_groups"][0]["outcome"], world.cloud.days) == (DONE, "set", 30)
    assert [(each["state"], each["former_days"]) for each in world.notes()] == [("set", None)]
    world.undo()
    assert world.cloud.days is None


class Killed(BaseException):
    """The process died."""


class Cut:
    """A process that dies right before one of its calls of AWS.

    Attributes:
        made: How many there were.
        dies_before: Which one; None for none.
    """

    def __init__(self) -> None:
        self.made = 0
        self.dies_before: int | None = None

    def call[T](self, make: Callable[[], T]) -> T:
        """Make a call, or die."""
        self.made += 1
        if self.made == self.dies_before:
            raise Killed(self.made)
        return make()

    def at(self, number: int, act: Callable[[], object]) -> bool:
        """Die at a call of what is done; return whether it makes so many."""
        self.made, self.dies_before = 0, number
        try:
            act()
        except Killed:
            return True
        finally:
            self.dies_before = None
        return False


@pytest.fixture
def cut(world: World, monkeypatch: pytest.MonkeyPatch) -> Cut:
    """Each call that the command makes, of the hub's and of the source's account."""
    made = Cut()
    hubs = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call_hub(client: Any, operation: str, parameters: Any) -> Any:
        return made.call(lambda: hubs(client, operation, parameters))

    def call_source(method: Callable[..., Any], *arguments: Any) -> Any:
        return made.call(lambda: method(*arguments))

    monkeypatch.setattr(BaseClient, "_make_api_call", call_hub)
    for name in ("log_group", "has_retention_policy", "filtered", "queried", "keep_for"):
        method = getattr(world.cloud, name)
        monkeypatch.setattr(world.cloud, name, partial(call_source, method))
    return made


@pytest.mark.deep
def test_cut_before_each_call_it_has_set_nothing_or_what_the_next_one_knows(
    world: World, cut: Cut
) -> None:
    number, calls, set_by, states = 1, 0, 0, set[str]()
    while cut.at(number, world.apply):
        number += 1 if world.cloud.calls else 10  # what looks first is read once more then
        calls += 1
        notes = world.notes()
        states |= {each["state"] for each in notes}
        set_by += world.cloud.days == 30
        assert world.cloud.days is None or notes
        assert all(each["former_days"] is None for each in notes)
        if not notes:
            continue  # as it was before
        world.apply()
        assert world.cloud.days == 30
        assert [(each["state"], each["former_days"]) for each in world.notes()] == [("set", None)]
        world.undo()
        assert world.cloud.days is None
        world.forget()
    assert (calls > 50, set_by, states) == (True, 1, {"asked"})
    assert world.cloud.days == 30


@pytest.mark.deep
def test_cut_before_each_call_of_putting_back_the_next_one_puts_it_back(
    world: World, cut: Cut
) -> None:
    world.apply()
    calls, states = 0, set[str]()
    while cut.at(calls + 1, world.undo):
        calls += 1
        [note] = world.notes()
        states.add(f"{note['state']} {world.cloud.days}")
        world.undo()
        assert (world.cloud.days, world.notes()[0]["state"]) == (None, "undone")
        world.forget()
        world.apply()
    assert states == {"set 30", "set None"}
    assert (world.cloud.days, world.notes()[0]["state"]) == (None, "undone")


# Putting back


def test_what_somebody_has_set_since_is_not_put_back(world: World) -> None:
    world.apply()
    world.cloud.live = LiveLogGroup(created_ms=CREATED_MS, retention_days=60)
    code, [found] = world.undo()
    assert (code, world.cloud.days) == (FAILED, 60)
    assert found["log_groups"][0]["why"] == "somebody has set 60 days since"


def test_a_note_that_would_shorten_is_not_believed(world: World) -> None:
    world.apply()
    [entry] = world.s3.list_objects_v2(Bucket=world.config.control_bucket, Prefix="retention/")[
        "Contents"
    ]
    [note] = world.notes()
    forged = json.dumps(note | {"former_days": 1}).encode()
    world.s3.put_object(Bucket=world.config.control_bucket, Key=entry["Key"], Body=forged)
    code, [found] = world.undo()
    assert (code, world.cloud.days) == (FAILED, 30)
    assert "which is no longer" in found["log_groups"][0]["why"]


@pytest.mark.parametrize(("stray", "code"), [("old/", DONE), ("x.json", FAILED)])
def test_what_is_no_note_keeps_nothing_from_being_put_back(
    world: World, stray: str, code: int
) -> None:
    world.apply()
    [note] = world.s3.list_objects_v2(Bucket=world.config.control_bucket, Prefix="retention/")[
        "Contents"
    ]
    key = f"{note['Key'].rpartition('/')[0]}/{stray}"
    world.s3.put_object(Bucket=world.config.control_bucket, Key=key)

    ended, found = world.undo()

    assert (ended, world.cloud.days) == (code, None)
    told = [each["problem"] for each in found if each["problem"]]
    assert [key in each for each in told] == [True] * (code == FAILED)


def test_another_log_group_of_the_same_name_is_not_touched(world: World) -> None:
    world.apply()
    world.cloud.live = LiveLogGroup(created_ms=CREATED_MS + 5, retention_days=30)
    code, [found] = world.undo()
    assert (code, world.cloud.days) == (FAILED, 30)
    assert found["log_groups"][0]["why"] == "it was deleted since"
