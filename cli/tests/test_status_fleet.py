"""What needs a person, of any age, and how it is told: on moto, with notes and without."""

import csv
import io
import json
import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from cli.tests.conftest import Run
from cli.tests.ledgers import hub_on_moto, record_like

from logferry.command import _app
from logferry.commands import status as commands
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.needs import SHOWN, WIDTH, Need, shown
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import chain_note_key, inventories_prefix, inventory_key
from logferry_contracts.ledger_record import Failed, LedgerRecord
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.open_exports import is_open, note_key, whole_key
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit
from logferry_ledger.plans_and_seals import NEVER_PLANNED

DAY_MS = 86_400_000
SEOUL_MS = 1_795_186_800_000
"""2026-11-21T00:00 in Seoul, which is the configuration's time zone."""
FIRST = datetime(2026, 11, 20, 15, tzinfo=UTC)
SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
PAYMENTS = SourceName(profile="Pay_ments", account_id="555566667777", region="eu-west-1")
DENIED = "User: arn:aws:sts::444455556666:assumed-role/logferry-source is not authorized"


class Clock(datetime):
    """The command's clock: early on the day after the ledger's newest window has settled."""

    day = 0

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return (FIRST + timedelta(days=cls.day + 2, hours=3)).astimezone(tz)


class World:
    """A hub's ledger and queues."""

    def __init__(self, session: boto3.Session, config: Config) -> None:
        self.s3, self.sqs = session.client("s3"), session.client("sqs")
        self.bucket = config.control_bucket
        self.is_indexed = False

    def put(
        self,
        example: str,
        group: str,
        *,
        day: int = 0,
        generation: int = 1,
        source: SourceName = SHOP,
        **changes: Any,
    ) -> LedgerRecord:
        """Put a ledger record, with its note where there is an index."""
        start_ms = SEOUL_MS + day * DAY_MS
        window = Window(from_ms=start_ms, to_ms=start_ms + DAY_MS)
        made = record_like(example, source, group, window, generation=generation, **changes)
        if self.is_indexed and is_open(made):
            self.object(note_key(made), b"")
        self.object(made.key, emit(made).encode())
        return made

    def failed(self, group: str, **more: Any) -> LedgerRecord:
        """Put one that nobody will try again."""
        said = Failed(reason="access_denied", message=DENIED, at=timestamp(FIRST))
        failed = said.model_dump(exclude_none=True)
        return self.put("failed-before-a-task", group, failed=failed, **more)

    def object(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def index(self, *sources: SourceName) -> None:
        """From now on there are notes; of what there is as well, once they are made."""
        self.is_indexed = True
        for source in sources:
            self.object(whole_key(source), b"")

    def listed(self, source: SourceName, verdict: str, at: datetime) -> None:
        """Put the inventory of a plan."""
        line = ListedLogGroup.of(
            source=source,
            log_group={
                "name": "/a",
                "arn": f"arn:aws:logs:eu-west-1:{source.account_id}:log-group:/a",
                "log_group_class": "STANDARD",
                "created_ms": 0,
            },
            verdict=verdict,
            planned_at=timestamp(at),
        ).line()
        self.object(inventory_key(source, epoch_ms(at), "plan"), line)

    def sealed(self, source: SourceName, day: int) -> None:
        covers = {"from_ms": 0, "to_ms": SEOUL_MS + (day + 1) * DAY_MS}
        note = json.dumps({"published": 1, "dates": [{"covers": covers}]})
        self.object(chain_note_key(source.account_id, source.region), note.encode())


@pytest.fixture
def world(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(commands, "datetime", Clock)
    monkeypatch.setattr(Clock, "day", 0)
    with hub_on_moto(config, monkeypatch) as session:
        yield World(session, config)


@pytest.fixture
def shop(document: dict[str, Any], tmp_path: Path) -> str:
    """A configuration with the one source."""
    del document["sources"][1]
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


APP = _app(are_listed=False)


def of_shop(logferry: Run, path: str) -> Any:
    _, out, _ = logferry("status", path, "--profile", "shop", "--json")
    [found] = json.loads(out)
    return found


@pytest.mark.parametrize("indexed", [False, True])
def test_lost_exports_are_a_problem_until_somebody_answers_for_them(
    world: World, shop: str, logferry: Run, monkeypatch: pytest.MonkeyPatch, *, indexed: bool
) -> None:
    """Two exports fail, eight more days go well, and the dead-letter queue is purged."""
    if indexed:
        world.index(SHOP)
    world.sqs.create_queue(QueueName=SHOP.dead_letter_queue_name, Attributes={"FifoQueue": "true"})
    world.failed("/a")
    world.failed("/b")
    for day in range(9):
        world.put("secured", "/fine", day=day)
        if day not in {0, 1, 8}:
            continue
        monkeypatch.setattr(Clock, "day", day)
        code, out, _ = logferry("status", shop)
        assert code == FAILED
        assert "shop: export failed (2)" in out
        assert "/a\n    2026-11-21 (Asia/Seoul), in UTC\n" in out
        assert "access_denied: User: arn:aws:sts::444455556666" in out

    for group, expected in (("/a", FAILED), ("/b", DONE)):
        options = ["--log-group", group, "--date", "2026-11-21", "--reason", "gone", "--yes"]
        assert logferry("waive", shop, "--profile", "shop", *options)[0] == DONE
        code, out, _ = logferry("status", shop)
        assert code == expected
    assert "1 source: 1 fine" in out


def test_only_what_is_open_is_read_where_there_are_notes(
    world: World, config: Config, shop: str, logferry: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.index(SHOP)
    world.failed("/a")
    for day in range(3):
        for group in ("/b", "/c"):
            world.put("secured", group, day=day)
    monkeypatch.setattr(Clock, "day", 2)
    read: list[str] = []
    original = boto3.Session.client

    def client(self: boto3.Session, name: Any, **more: Any) -> Any:
        made: Any = original(self, name, **more)
        if name == "s3":
            events = made.meta.events
            events.register(
                "before-parameter-build.s3.GetObject",
                lambda params, **_: read.append(params["Key"]),
            )
        return made

    monkeypatch.setattr(boto3.Session, "client", client)

    assert logferry("status", shop)[0] == FAILED

    of_ledger = [key for key in read if key.startswith("ledger/")]
    assert len(of_ledger) == 2  # it, and whether there is a next try


def test_without_notes_the_whole_ledger_is_read_and_the_way_out_is_said(
    world: World, shop: str, logferry: Run
) -> None:
    world.failed("/a")
    code, _, err = logferry("status", shop)
    assert code == FAILED
    assert "The whole ledger of shop was read" in err
    assert f"logferry index rebuild {shop}" in err.replace("\n", "")

    code, out, _ = logferry("index", "rebuild", shop)
    assert (code, out) == (DONE, "shop  1 records, 1 open; notes: 1 added, 0 removed\n")

    code, _, err = logferry("status", shop)
    assert code == FAILED
    assert "The whole ledger" not in err


def test_a_rebuilt_index_has_what_is_open_and_nothing_else(
    world: World, shop: str, logferry: Run
) -> None:
    world.index(SHOP)
    stale = world.put("secured", "/b")
    world.object(note_key(stale), b"")
    world.object(note_key(stale).replace(stale.export_id, "f" * 32), b"")  # of a crash
    world.is_indexed = False
    world.failed("/a")
    world.failed("/again")
    world.put("secured", "/again", generation=2)
    world.put("half-of-a-window", "/big")

    assert logferry("index", "rebuild", shop, "--dry-run", "--json")[0] == DONE
    code, out, _ = logferry("index", "rebuild", shop, "--json")

    assert code == DONE
    [found] = json.loads(out)
    assert found == {"profile": "shop", "records": 5, "open": 1, "added": 1, "removed": 1}
    assert len(of_shop(logferry, shop)["needs"]) == 1


def test_a_failure_whose_next_try_has_no_note_is_followed(
    world: World, shop: str, logferry: Run
) -> None:
    """An exporter of an earlier release has asked for it."""
    world.index(SHOP)
    world.failed("/a")
    world.is_indexed = False
    world.failed("/a", generation=2)

    [need] = of_shop(logferry, shop)["needs"]

    assert need["log_group"] == "/a"
    world.put("secured", "/a", generation=3)
    assert of_shop(logferry, shop)["needs"] == []


def test_an_account_with_nothing_to_archive_is_fine_and_says_so(
    world: World, shop: str, logferry: Run
) -> None:
    world.listed(SHOP, "excluded", Clock.now(UTC) - timedelta(hours=1))

    code, out, _ = logferry("status", shop)

    assert code == DONE
    assert "1 source: 1 with nothing to archive" in out
    assert "shop    nothing to archive" in out


def test_a_source_with_log_groups_and_nothing_in_the_ledger_is_not_fine(
    world: World, shop: str, logferry: Run
) -> None:
    world.listed(SHOP, "selected", Clock.now(UTC) - timedelta(hours=1))

    assert logferry("status", shop)[0] == FAILED


@pytest.mark.parametrize("below", ["old/", "zzz.jsonl"])
def test_what_is_no_inventory_says_nothing_of_a_source_that_was_never_planned(
    world: World, shop: str, logferry: Run, below: str
) -> None:
    world.object(f"{inventories_prefix(SHOP)}{below}", b"")

    found = of_shop(logferry, shop)

    assert not found["has_nothing_to_archive"]
    assert NEVER_PLANNED in found["problems"]


@pytest.mark.parametrize(
    ("verdict", "problem"),
    [
        (None, "no plan has come to record nothing since 2026-11-21 15:00"),
        ("selected", "plans find log groups, but record nothing since 2026-11-21 15:00"),
        ("excluded", None),
    ],
)
def test_a_source_that_is_planned_no_more_is_a_problem(
    world: World,
    shop: str,
    logferry: Run,
    monkeypatch: pytest.MonkeyPatch,
    verdict: str | None,
    problem: str | None,
) -> None:
    world.put("secured", "/a")
    assert logferry("status", shop)[0] == DONE
    monkeypatch.setattr(Clock, "day", 3)
    world.sealed(SHOP, 0)
    if verdict is not None:
        world.listed(SHOP, verdict, Clock.now(UTC))

    assert of_shop(logferry, shop)["problems"] == ([] if problem is None else [problem])


def test_a_source_that_is_switched_off_need_not_be_planned(
    world: World,
    document: dict[str, Any],
    shop: str,
    logferry: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document["sources"][0]["state"] = "DISABLED"
    Path(shop).write_text(yaml.safe_dump(document))
    world.put("secured", "/a")
    monkeypatch.setattr(Clock, "day", 30)

    assert logferry("status", shop)[0] == DONE


def test_dates_that_are_not_sealed_are_a_problem(
    world: World, shop: str, logferry: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.listed(SHOP, "selected", FIRST)
    for day in range(9):
        world.put("secured", "/a", day=day)
    monkeypatch.setattr(Clock, "day", 8)
    [need] = of_shop(logferry, shop)["needs"]
    assert need["what"] == "not sealed"
    assert need["commands"] == [
        f"logferry retry {shop} --dead-letters --service sealer --dry-run",
        f"logferry seal {shop} --profile shop",
    ]
    world.sealed(SHOP, 1)
    assert of_shop(logferry, shop)["problems"] == ["nothing is sealed since 2026-11-22 15:00"]
    world.sealed(SHOP, 5)
    assert of_shop(logferry, shop)["problems"] == []


def test_a_damaged_record_that_is_noted_is_named(world: World, shop: str, logferry: Run) -> None:
    world.index(SHOP)
    record = world.failed("/a")
    world.object(record.key, b"{}")

    [problem] = of_shop(logferry, shop)["problems"]

    assert problem.startswith(f"a ledger record is damaged: s3://{world.bucket}/{record.key} is")


@pytest.mark.parametrize(
    "typed",
    [
        "status",
        "retry --dry-run",
        "retry --dead-letters --dry-run",
        "backfill --status",
        "backfill --from 2026-10-01 --to 2026-10-02 --dry-run",
    ],
)
def test_credentials_of_another_account_are_refused(
    world: World, shop: str, logferry: Run, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """There is nothing of ours in it, which would look as if all were in order."""
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    command, *options = typed.split()

    code, out, err = logferry(command, shop, *options)

    assert code == FAILED
    assert out == ""
    assert "the credentials are of account 999999999999, not of 111122223333" in err.replace(
        "\n", " "
    )


def test_everything_that_needs_a_person_is_told_within_80_columns(
    world: World, path: str, logferry: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "/aws/lambda/a-function-with-quite-a-long-name-of-some-team"
    world.failed(name)
    world.put("submitted", "/late", requested_at=timestamp(FIRST))
    world.put("secured", "/a", day=2)
    world.failed("/other")
    world.put("secured", "/a", source=PAYMENTS)
    monkeypatch.setattr(Clock, "day", 4)

    code, out, _ = logferry("status", path)

    assert code == FAILED
    assert out.splitlines()[0] == "2 sources: 2 to be looked at"
    for what in ("export failed (2)", "under way for too long", "gap", "not planned"):
        assert f"shop: {what}" in out
    # The file's own name is longer than a line, in a test.
    wide = [line for line in out.replace(path, "my.yaml").splitlines() if len(line) > WIDTH]
    assert wide == []


def test_every_command_that_is_shown_is_one(
    world: World, path: str, logferry: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.failed("/a")
    world.put("submitted", "/late", requested_at=timestamp(FIRST))
    world.put("secured", "/a", day=2)
    monkeypatch.setattr(Clock, "day", 9)
    world.listed(SHOP, "excluded", FIRST)
    _, out, _ = logferry("status", path, "--json")

    shown = [
        shlex.split(command)
        for found in json.loads(out)
        for need in found["needs"]
        for command in need["commands"]
    ]

    assert {words[1] for words in shown} == {"plan", "waive", "diff", "seal", "retry"}
    for program, *arguments in shown:
        assert program == "logferry"
        APP.parse_args(arguments, exit_on_error=False, print_error=False)


def test_a_command_on_the_screen_is_one_that_a_shell_takes(
    world: World, shop: str, logferry: Run
) -> None:
    name = "/aws/lambda/orders-of/#1"
    world.failed(name)
    _, out, _ = logferry("status", shop)
    text = out.replace("\\\n", "")
    [waive] = [line for line in text.splitlines() if "logferry waive" in line]
    words = shlex.split(waive.replace("$ logferry", "logferry", 1))
    assert words[words.index("--log-group") + 1] == name
    assert words[words.index("--date") + 1] == "2026-11-21"


def test_what_is_so_of_all_sources_is_shown_of_some() -> None:
    """Where no planner runs, five hundred sources have the same lines, of which five say it."""
    needs = [
        Need(profile=f"shop-{number}", what=what, time_zone="UTC", why="x", to_do="y")
        for number in range(500)
        for what in ("not planned", "gap")[: 1 + (number == 499)]
    ]

    out = list(shown(needs))

    assert out.count("shop-4: not planned") == 1
    assert "shop-5: not planned" not in out
    assert "shop-499: gap" in out
    assert out[-1] == f"  not planned: {500 - SHOWN}"
    assert len(out) < 60
    assert all(len(line) <= WIDTH for line in out)


def test_of_many_alike_some_are_shown_and_csv_has_all(
    world: World, shop: str, logferry: Run
) -> None:
    for number in range(SHOWN + 7):
        world.failed(f"/a/{number}")

    _, out, _ = logferry("status", shop)
    code, text, _ = logferry("status", shop, "--csv")

    assert f"shop: export failed ({SHOWN + 7})" in out
    assert "  and 7 more: --json and --csv have all" in out
    assert code == FAILED
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == SHOWN + 7
    assert rows[0]["profile"] == "shop"
    assert (rows[0]["date"], rows[0]["from"]) == ("2026-11-21", "2026-11-20 15:00:00+00:00")


def test_profiles_are_chosen_by_patterns(world: World, path: str, logferry: Run) -> None:
    world.put("secured", "/a")
    world.put("secured", "/a", source=PAYMENTS)
    for patterns, expected in (
        (["sh*"], ["shop"]),
        (["*"], ["shop", "Pay_ments"]),
        (["Pay*", "s?op"], ["Pay_ments", "shop"]),
    ):
        options = [each for pattern in patterns for each in ("--profile", pattern)]
        _, out, _ = logferry("status", path, *options, "--json")
        assert [each["profile"] for each in json.loads(out)] == expected
    assert logferry("status", path, "--profile", "x*")[0] == BAD_INPUT


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--from", "2026-11-22"], 2),
        (["--from", "2026-11-21", "--to", "2026-11-22"], 2),
        (["--windows", "1"], 1),
        ([], 0),
    ],
)
def test_windows_are_shown_by_date_or_number(
    world: World,
    shop: str,
    logferry: Run,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    count: int,
) -> None:
    for day in range(3):
        world.put("secured", "/a", day=day)
    monkeypatch.setattr(Clock, "day", 2)

    _, out, _ = logferry("status", shop, *options, "--json")

    assert len(json.loads(out)[0]["windows"]) == count


def test_sources_without_windows_of_a_time_have_a_line_each(
    world: World, path: str, logferry: Run
) -> None:
    _, out, _ = logferry("status", path, "--from", "2025-01-01", "--to", "2025-01-02")

    said = [line for line in out.splitlines() if "the ledger has no window of that time" in line]
    assert len(said) > 1
    assert all(line.count(":") == 1 for line in said)


@pytest.mark.parametrize(
    "options",
    [
        ["--from", "2026-11-22", "--to", "2026-11-21"],
        ["--to", "2026-11-21"],
        ["--from", "yesterday"],
        ["--windows", "1", "--from", "2026-11-21"],
    ],
)
def test_windows_that_cannot_be_meant_are_bad_input(
    world: World, shop: str, logferry: Run, options: list[str]
) -> None:
    assert logferry("status", shop, *options)[0] == BAD_INPUT


def test_it_is_looked_at_again_and_again_until_ctrl_c(
    world: World, shop: str, logferry: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("secured", "/a")
    pauses = iter([None, KeyboardInterrupt])

    def sleep(_: float) -> None:
        pause = next(pauses)
        if pause is not None:
            raise pause
        world.failed("/b")

    monkeypatch.setattr(time, "sleep", sleep)

    code, out, _ = logferry("status", shop, "--watch")

    assert code == 130
    assert "1 source: 1 fine" in out
    assert "1 source: 1 to be looked at" in out


def test_of_a_large_fleet_only_those_that_need_a_person_have_a_line(
    world: World, document: dict[str, Any], tmp_path: Path, logferry: Run
) -> None:
    document["organization_id"] = "o-abcdefghij"
    document["sources"] = [
        {"profile": f"p{n}", "account_id": f"{n:012}", "schedule": "rate(1 day)"} for n in range(50)
    ]
    path = tmp_path / "fleet.yaml"
    path.write_text(yaml.safe_dump(document))
    sources = [
        SourceName(profile=f"p{n}", account_id=f"{n:012}", region="eu-west-1") for n in range(50)
    ]
    for source in sources:
        world.put("secured", "/a", source=source)
    world.failed("/b", source=sources[7])

    code, out, _ = logferry("status", str(path))

    assert code == FAILED
    assert out.splitlines()[0] == "50 sources: 49 fine, 1 to be looked at"
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["source", "p7"]
    assert len(out.splitlines()) < 20
