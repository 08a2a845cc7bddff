"""Log groups of which the ledger has nothing in a window that it has of others."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cli.tests.conftest import Run
from cli.tests.in_s3 import SHOP, OnMoto, buckets_on_moto, in_utc, record_of, three_dates
from contracts.tests.retrieving import asked, window
from contracts.tests.sealed_archive import HOUR_MS, Archive

from logferry.config import Config
from logferry.unsealed import Unsealed
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import inventory_key, ledger_prefix
from logferry_contracts.manifest import ManifestLocation
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

FIRST, SECOND = window(3), window(4)
WHOLE = Window(from_ms=FIRST.from_ms, to_ms=SECOND.to_ms)

type Absences = dict[tuple[str, str], list[str]]


@pytest.fixture
def s3(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with buckets_on_moto(config, monkeypatch) as s3:
        yield s3


@pytest.fixture
def archive(s3: Any, config: Config) -> Archive:
    """Record /app/a of two dates, and /app/b of the first."""
    archive = three_dates(OnMoto(config.archive_bucket))
    for name, of in (("/app/a", FIRST), ("/app/b", FIRST), ("/app/a", SECOND)):
        record = record_of(archive, config, of, name)
        s3.put_object(Bucket=config.control_bucket, Key=record.key, Body=emit(record).encode())
    return archive


@pytest.fixture
def absences(s3: Any, config: Config, archive: Archive) -> Callable[..., Absences]:
    def absences(*log_groups: str, time: Window = WHOLE, **more: Any) -> Absences:
        plan = Plan(asked(time, log_groups=log_groups, **more))
        Unsealed(s3, config.control_bucket).add(plan, SHOP, time)
        plan.finish()
        return {key: each.examples for key, each in plan.absences.items()}

    return absences


def list_log_groups(s3: Any, config: Config, at_ms: int, **listed: Any) -> None:
    """Let a plan list log groups by their names: when they were created, or a verdict."""
    body = b""
    for name, said in listed.items():
        is_created = isinstance(said, int)
        group = {
            "name": f"/app/{name}",
            "arn": f"arn:aws:logs:eu-west-1:444455556666:log-group:/app/{name}",
            "log_group_class": "STANDARD",
            "created_ms": said if is_created else 0,
        }
        body += ListedLogGroup.of(
            source=SHOP,
            log_group=group,
            verdict="selected" if is_created else said,
            planned_at=f"{from_epoch_ms(at_ms):%Y-%m-%dT%H:%M:%S.000Z}",
        ).line()
    key = inventory_key(SHOP, at_ms, f"plan-{at_ms}")
    s3.put_object(Bucket=config.control_bucket, Key=key, Body=body)


def of(name: str, time: Window) -> str:
    start, end = (
        f"{from_epoch_ms(each):%Y-%m-%dT%H:%M:%S.000Z}" for each in (time.from_ms, time.to_ms)
    )
    return f"{name} {start} to {end}"


@pytest.mark.parametrize("names", [("/app/b",), ("/app/*",), ("/app/a", "/app/b")])
def test_a_window_that_a_plan_has_not_come_to_is_missing(
    absences: Callable[..., Absences], names: tuple[str, ...]
) -> None:
    unknown = ("unknown", "nothing says what became of it")
    assert absences(*names) == {unknown: [of("/app/b", SECOND)]}


def test_the_command_does_not_call_it_whole(logferry: Run, path: str, archive: Archive) -> None:
    time = ("--from", in_utc(FIRST.from_ms), "--to", in_utc(SECOND.to_ms))
    options = ("--profile", "shop", "--log-group", "/app/b", *time)
    code, out, err = logferry("search", "fresh", path, *options)
    assert (code, len(out.splitlines())) == (3, 1)
    assert f"(nothing says what became of it): {of('/app/b', SECOND)}" in err


def test_it_is_not_there_yet_where_nobody_says_up_to_when_to_look(
    absences: Callable[..., Absences],
) -> None:
    time = Window(from_ms=FIRST.from_ms, to_ms=SECOND.to_ms + HOUR_MS)
    rest = Window(from_ms=SECOND.to_ms, to_ms=time.to_ms)
    of_b = Window(from_ms=SECOND.from_ms, to_ms=time.to_ms)
    assert absences("/app/*", time=time, is_open_ended=True) == {
        ("not_yet", "not in the archive yet"): [
            of("/app/b", of_b),
            of("444455556666/eu-west-1", rest),
        ]
    }


def test_inventories_say_which_log_groups_there_were(
    s3: Any, config: Config, absences: Callable[..., Absences]
) -> None:
    list_log_groups(s3, config, FIRST.to_ms + HOUR_MS, a=0, b=0, gone=0)
    listed: dict[str, Any] = {
        "a": 0,
        "new": SECOND.to_ms,
        "left": "excluded",
        "odd": "unreadable",
        "other": SECOND.to_ms - 1,
    }
    list_log_groups(s3, config, SECOND.to_ms + HOUR_MS, **listed)
    assert absences("/app/*") == {
        ("skipped", "created_after_window"): [of("/app/new", SECOND)],
        ("excluded", "excluded"): [of("/app/left", SECOND)],
        ("refused", "unreadable"): [of("/app/odd", SECOND)],
        ("skipped", "not_listed"): [of("/app/b", SECOND)],
        ("unknown", "nothing says what became of it"): [
            of("/app/gone", FIRST),
            of("/app/other", SECOND),
        ],
    }
    assert absences("/app/nobody") == {}


def test_what_a_damaged_line_of_an_inventory_would_say_is_unknown(
    s3: Any, config: Config, absences: Callable[..., Absences]
) -> None:
    key = inventory_key(SHOP, SECOND.to_ms, "plan")
    s3.put_object(Bucket=config.control_bucket, Key=key, Body=b"{}\n")
    assert [why.startswith(f"a line of {key} is ") for _, why in absences("/app/a*")] == [True]


def test_windows_that_others_have_cut_otherwise_are_no_gap(
    s3: Any, config: Config, archive: Archive, absences: Callable[..., Absences]
) -> None:
    halves = SECOND.halves
    assert halves is not None
    for each in halves:
        record = record_of(archive, config, each, "/app/b")
        s3.put_object(Bucket=config.control_bucket, Key=record.key, Body=emit(record).encode())
    assert absences("/app/*") == {}


def test_what_somebody_has_put_into_a_window_says_nothing_of_it(
    s3: Any, config: Config, absences: Callable[..., Absences]
) -> None:
    date = window(6)
    key = f"{ledger_prefix(SHOP, date)}notes.txt"
    s3.put_object(Bucket=config.control_bucket, Key=key, Body=b"a note")
    told = [of("444455556666/eu-west-1", date)]
    assert absences("/app/a", time=date) == {("unknown", "nothing says what became of it"): told}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"damaged", "not the 2 bytes that were written"),
        (b"{}", "Manifest"),
        (None, "is gone from the control bucket"),
    ],
)
def test_a_list_of_objects_that_cannot_be_read_costs_its_own_window_alone(
    s3: Any,
    config: Config,
    archive: Archive,
    absences: Callable[..., Absences],
    body: bytes | None,
    why: str,
) -> None:
    record = record_of(archive, config, SECOND, "/app/b")
    assert record.completed is not None
    place = {"bucket": config.control_bucket, "key": "manifest/long.json"}
    location = ManifestLocation(**place, size_bytes=2, sha256=hashlib.sha256(b"{}").hexdigest())
    manifest = record.completed.manifest.model_copy(update={"objects": None, "location": location})
    completed = record.completed.model_copy(update={"manifest": manifest})
    record = record.model_copy(update={"completed": completed})
    s3.put_object(Bucket=config.control_bucket, Key=record.key, Body=emit(record).encode())
    if body is not None:
        s3.put_object(Bucket=config.control_bucket, Key=location.key, Body=body)
    [((outcome, told), examples)] = absences("/app/*").items()
    assert (outcome, why in told, examples) == ("unknown", True, [of("/app/b", SECOND)]), told
