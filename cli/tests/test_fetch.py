"""The command `logferry fetch`: everything of a time, once, in order, and nothing else."""

import csv
import glob
import hashlib
import io
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import bagit
import duckdb
import pytest
from cli.tests.copies import Copy
from cli.tests.in_s3 import OnMoto, buckets_on_moto, in_utc, recorded, three_dates
from contracts.tests.corpus import MESSAGES
from contracts.tests.retrieving import archived, lines, window
from contracts.tests.sealed_archive import DAY_MS, HOUR_MS, START_MS, Archive
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry import fetch as fetching
from logferry import runs
from logferry.bucket_store import BucketStore
from logferry.command import main
from logferry.commands import fetch as command
from logferry.config import Config
from logferry.runs import cuts_of, merged, parts_of, write_run
from logferry_contracts.log_line import stamp
from logferry_contracts.proof import Proof
from logferry_contracts.verification.proofs import check
from logferry_contracts.verification.store import Unreadable
from logferry_contracts.wire import emit, parse

type Run = Callable[..., tuple[int, bytes, str]]

EDGE = START_MS + DAY_MS
DATES = ("--from", "2026-11-21", "--to", "2026-11-22")
ORDINARY = [each for each in MESSAGES[:-1] if "06:00:00.000Z " not in each]
"""Messages of which each is one event."""


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    def run(*arguments: str) -> tuple[int, bytes, str]:
        with pytest.raises(SystemExit) as ended:
            main(["fetch", *arguments])
        printed = capfdbinary.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err.decode()

    return run


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Two dates of two log groups with two streams, and an event between the dates in both."""
    archive = Archive(Copy(tmp_path / "copy"))
    for day in (0, 1):
        start = START_MS + day * DAY_MS
        bodies = {
            f"{stream}/000000": lines(
                *((start + 10 * n + len(stream), f"{stream} {n}") for n in range(20)),
                *([(EDGE, "on the edge")] if stream == "web" else []),
            )
            for stream in ("web", "worker")
        }
        statements = [archived(archive, window(day), bodies, name) for name in ("/a", "/b")]
        archive.day(statements, window(day))
    return str(tmp_path / "copy")


def test_everything_comes_once_and_in_order(run: Run, folder: str) -> None:
    code, out, err = run(folder, "--log-group", "/a", *DATES)
    events = out.decode().splitlines()
    assert code == 0
    assert len(events) == 81
    assert events == sorted(events, key=lambda line: line[:24])
    assert sum("on the edge" in line for line in events) == 1
    assert "81 events in 4 of 4 objects" in err


def test_a_time_is_exact_at_both_ends(run: Run, folder: str) -> None:
    time = ("--from", "2026-11-20T23:00:00.013Z", "--to", "2026-11-20T23:00:00.033Z")
    _, out, _ = run(folder, "--log-group", "/a", *time)
    assert out.decode().splitlines() == [
        "2026-11-20T23:00:00.013Z web 1",
        "2026-11-20T23:00:00.016Z worker 1",
        "2026-11-20T23:00:00.023Z web 2",
        "2026-11-20T23:00:00.026Z worker 2",
    ]


def test_json_and_csv_say_where_each_event_is_from(run: Run, folder: str) -> None:
    _, out, _ = run(folder, "--log-group", "*", *DATES, "--format", "json")
    events = [json.loads(line) for line in out.splitlines()]
    assert len(events) == 162
    _, out, _ = run(folder, "--log-group", "*", *DATES, "--format", "csv")
    assert list(csv.DictReader(io.StringIO(out.decode(), newline=""))) == events
    first = next(each for each in events if each["log_group"] == "/b")
    assert (first["at"], first["stream"], first["message"]) == (
        "2026-11-20T23:00:00.003Z",
        "web",
        "web 0",
    )
    assert Path(folder, first["key"]).is_file()


def test_parquet_has_what_json_has_in_its_order(run: Run, folder: str, tmp_path: Path) -> None:
    _, out, _ = run(folder, "--log-group", "*", *DATES, "--format", "json")
    events = [json.loads(line) for line in out.splitlines()]
    output = tmp_path / "[a] b*" / "stream=other" / "account_id=1" / "events.parquet"
    output.parent.mkdir(parents=True)
    code, nothing, err = run(
        folder, "--log-group", "*", *DATES, "--format", "parquet", "-o", str(output)
    )
    assert (code, nothing) == (0, b"")
    assert "162 events in 8 of 8 objects" in err
    found = duckdb.read_parquet(glob.escape(str(output)), hive_partitioning=False)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    for row in rows:
        at = row.pop("at_utc")
        row["at"] = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
    assert rows == events
    assert [each.name for each in output.parent.iterdir()] == ["events.parquet"]


def is_valid(bag: Path) -> bool:
    """Whether every file of a bag is what its manifests say, and there is no other.

    https://www.rfc-editor.org/rfc/rfc8493#section-3
    """
    there = {path.relative_to(bag).as_posix() for path in bag.rglob("*") if path.is_file()}
    told = {"tagmanifest-sha256.txt"}
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        for line in (bag / manifest).read_text().splitlines():
            digest, name = line.split("  ", 1)
            assert hashlib.sha256((bag / name).read_bytes()).hexdigest() == digest
            told.add(name)
    info = dict(line.split(": ", 1) for line in (bag / "bag-info.txt").read_text().splitlines())
    payload = [bag / name for name in there if name.startswith("data/")]
    size_bytes = sum(path.stat().st_size for path in payload)
    assert info["Payload-Oxum"] == f"{size_bytes}.{len(payload)}"
    assert (bag / "bagit.txt").read_text().startswith("BagIt-Version: 1.0\n")
    return there == told


def test_a_bag_has_events_objects_and_proofs_that_hold(
    run: Run, folder: str, tmp_path: Path
) -> None:
    _, out, _ = run(folder, "--log-group", "/a", *DATES, "--format", "json")
    bag = tmp_path / "handed-over"
    code, _, err = run(folder, "--log-group", "/a", *DATES, "--format", "bag", "-o", str(bag))
    assert code == 0
    assert "4 objects, 2 proofs" in err
    assert is_valid(bag)
    assert (bag / "data" / "events.jsonl").read_bytes() == out
    digests = {json.loads(line)["sha256"] for line in out.splitlines()}
    assert {path.stem for path in (bag / "data" / "objects").iterdir()} == digests
    proofs = sorted((bag / "data" / "proofs").rglob("*.json"))
    assert [path.name for path in proofs] == ["2026-11-21.json", "2026-11-22.json"]
    proven = {
        each.sha256
        for path in proofs
        for word in check(parse(Proof, path.read_bytes()), ()).words
        for each in (word.statement.objects if word.statement else None) or []
    }
    assert proven == digests


# Of bagit itself.
@pytest.mark.filterwarnings("ignore:'count' is passed as positional argument:DeprecationWarning")
def test_a_bag_from_s3_is_whole_to_who_knows_bagit_alone(
    run: Run, path: str, config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bag, date = tmp_path / "handed-over", window(1)
    with buckets_on_moto(config, monkeypatch) as s3:
        three_dates(OnMoto(config.archive_bucket))
        bucket = {"Bucket": config.archive_bucket}
        listed = s3.list_objects_v2(**bucket, Prefix="shop/app/a/2026/11/22/")["Contents"]
        keys = [each["Key"] for each in listed]
        bodies = [s3.get_object(**bucket, Key=key)["Body"].read() for key in keys]
        s3.delete_object(**bucket, Key=keys[0])
        s3.put_object(**bucket, Key=keys[1], Body=lines((date.from_ms, "forged")))
        of = (path, "--profile", "shop", "--log-group", "/app/a")
        time = ("--from", in_utc(date.from_ms), "--to", in_utc(date.to_ms))
        code, _, err = run(*of, *time, "--format", "bag", "-o", str(bag))
    assert code == 0, err
    archived = {hashlib.sha256(each).hexdigest() for each in bodies}
    whole = bagit.Bag(str(bag))
    whole.validate()
    assert {Path(name).stem for name in whole.entries if "/objects/" in name} == archived
    assert len((bag / "data" / "events.jsonl").read_bytes().splitlines()) == 24
    (bag / "data" / "objects" / f"{min(archived)}.gz").write_bytes(b"another")
    with pytest.raises(bagit.BagValidationError):
        whole.validate()


def test_a_bag_goes_on_once_everything_can_be_read(run: Run, folder: str, tmp_path: Path) -> None:
    bag = tmp_path / "handed-over"
    arguments = (folder, "--log-group", "/a", *DATES, "--format", "bag", "-o", str(bag))
    path = min(Path(folder, "shop-prod/a").rglob("*.gz"))
    stored = path.read_bytes()
    path.unlink()
    code, _, err = run(*arguments)
    assert code == 1
    assert "it is not there" in err
    assert is_valid(bag)
    assert len(list((bag / "data" / "objects").iterdir())) == 3
    path.write_bytes(stored)
    code, _, err = run(*arguments)
    assert (code, is_valid(bag)) == (0, True)
    assert "4 objects, 2 proofs" in err
    assert {each.name for each in tmp_path.iterdir()} == {"copy", "handed-over"}
    assert run(*arguments)[0] == 2


def test_parquet_needs_a_file_and_duckdb(
    run: Run, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run(folder, "--log-group", "*", *DATES, "--format", "parquet")
    assert code == 2
    assert "--output" in err
    monkeypatch.setitem(sys.modules, "duckdb", None)
    output = str(tmp_path / "events.parquet")
    code, _, err = run(folder, "--log-group", "*", *DATES, "--format", "parquet", "-o", output)
    assert code == 2
    assert "DuckDB, which is not installed" in err


def test_a_query_is_answered_from_what_was_archived(run: Run, folder: str, tmp_path: Path) -> None:
    query = (
        "SELECT log_group, stream, count(*) AS events, min(at_utc) AS first FROM events "
        "WHERE message NOT LIKE '%edge%' GROUP BY ALL ORDER BY ALL"
    )
    code, out, _ = run(folder, "--log-group", "*", *DATES, "--sql", query)
    assert code == 0
    assert out.decode().splitlines() == [
        "log_group,stream,events,first",
        "/a,web,40,2026-11-20 23:00:00.003",
        "/a,worker,40,2026-11-20 23:00:00.006",
        "/b,web,40,2026-11-20 23:00:00.003",
        "/b,worker,40,2026-11-20 23:00:00.006",
    ]
    output = tmp_path / "answer.csv"
    min(Path(folder, "shop-prod/a").rglob("web/*.gz")).unlink()
    code, nothing, err = run(folder, "--log-group", "*", *DATES, "--sql", query, "-o", str(output))
    assert (code, nothing) == (1, b"")
    assert "it is not there" in err
    assert "/a,web,20," in output.read_text()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT nothing FROM events", "nothing"),
        ("SELEKT", "syntax error"),
        ("SELECT 1 FROM elsewhere", "elsewhere"),
    ],
)
def test_a_query_that_is_none_is_refused_before_anything_is_read(
    run: Run, folder: str, query: str, told: str
) -> None:
    code, out, err = run(folder, "--log-group", "*", *DATES, "--sql", query)
    assert (code, out) == (2, b"")
    assert "--sql" in err
    assert told in err
    assert "objects" not in err


def test_a_file_is_written_and_nothing_else_is_left(run: Run, folder: str, tmp_path: Path) -> None:
    output = tmp_path / "a.log"
    _, out, _ = run(folder, "--log-group", "/a", *DATES)
    code, nothing, _ = run(folder, "--log-group", "/a", *DATES, "-o", str(output))
    assert (code, nothing, output.read_bytes()) == (0, b"", out)
    assert {each.name for each in tmp_path.iterdir()} == {"a.log", "copy"}
    code, _, err = run(folder, "--log-group", "/a", *DATES, "-o", str(output))
    assert code == 2
    assert "is there already" in err


@pytest.mark.parametrize("output", ["", "/"])
def test_an_output_that_names_no_file_is_refused(run: Run, folder: str, output: str) -> None:
    code, _, err = run(folder, "--log-group", "/a", *DATES, "-o", output)
    assert (code, "name a file, which is not there yet" in err) == (2, True)


def test_what_could_not_be_read_is_fetched_by_the_same_command(
    run: Run, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "a.log"
    _, whole, _ = run(folder, "--log-group", "/a", *DATES)
    [path] = Path(folder, "shop-prod/a/2026/11/22").rglob("worker/*.gz")
    stored = path.read_bytes()
    path.write_bytes(stored[:-9])
    code, _, err = run(folder, "--log-group", "/a", *DATES, "-o", str(output))
    assert code == 1
    assert f"{path.relative_to(folder)}: its SHA-256 is" in err
    assert len(output.read_bytes().splitlines()) == 61
    path.write_bytes(stored)
    read: list[str] = []
    opened = fetching.read

    def noted(store: object, stream: object, scan: object) -> object:
        read.append(stream.pieces[0].key)  # type: ignore[attr-defined]
        return opened(store, stream, scan)  # type: ignore[arg-type]

    monkeypatch.setattr(fetching, "read", noted)
    code, _, err = run(folder, "--log-group", "/a", *DATES, "-o", str(output))
    assert (code, read) == (0, [path.relative_to(folder).as_posix()])
    assert output.read_bytes() == whole
    assert "81 events in 4 of 4 objects" in err
    assert not (tmp_path / "a.log.fetching").exists()


@pytest.mark.parametrize("how", ["cut off", "removed"])
def test_what_is_not_on_disk_any_more_is_read_again(
    run: Run, folder: str, tmp_path: Path, how: str
) -> None:
    """A machine went down before all was on its disk, or somebody has made room there."""
    output = tmp_path / "a.log"
    _, whole, _ = run(folder, "--log-group", "/a", *DATES)
    [path] = Path(folder, "shop-prod/a/2026/11/22").rglob("worker/*.gz")
    stored = path.read_bytes()
    path.write_bytes(stored[:-9])
    assert run(folder, "--log-group", "/a", *DATES, "-o", str(output))[0] == 1
    path.write_bytes(stored)
    state = (tmp_path / "a.log.fetching" / "fetched.jsonl").read_text().splitlines()
    for name, *_ in json.loads(state[-1])["runs"]:
        read = tmp_path / "a.log.fetching" / name
        read.write_bytes(read.read_bytes()[:100]) if how == "cut off" else read.unlink()

    code, _, err = run(folder, "--log-group", "/a", *DATES, "-o", str(output))

    assert (code, output.read_bytes() == whole) == (0, True)
    assert "81 events in 4 of 4 objects" in err


def test_where_nobody_knows_any_more_where_events_are_from_all_are_read_again(
    run: Run, folder: str, tmp_path: Path
) -> None:
    """They have numbers, which what is read now would have as well."""
    output, wanted = tmp_path / "a.json", ("--log-group", "/a", *DATES, "--format", "json")
    _, whole, _ = run(folder, *wanted)
    [path] = Path(folder, "shop-prod/a/2026/11/22").rglob("worker/*.gz")
    stored = path.read_bytes()
    path.write_bytes(stored[:-9])
    assert run(folder, *wanted, "-o", str(output))[0] == 1
    (tmp_path / "a.json.fetching" / "sources").unlink()
    assert run(folder, *wanted, "-o", str(output))[0] == 1
    path.write_bytes(stored)
    assert run(folder, *wanted, "-o", str(output))[0] == 0
    assert output.read_bytes() == whole


def test_what_two_fetches_at_once_have_read_comes_once(
    run: Run, folder: str, tmp_path: Path
) -> None:
    """Somebody has typed it twice, and neither could read everything."""
    output = tmp_path / "a.log"
    _, whole, _ = run(folder, "--log-group", "/a", *DATES)
    [path] = Path(folder, "shop-prod/a/2026/11/22").rglob("worker/*.gz")
    stored = path.read_bytes()
    path.write_bytes(stored[:-9])
    assert run(folder, "--log-group", "/a", *DATES, "-o", str(output))[0] == 1
    state = tmp_path / "a.log.fetching" / "fetched.jsonl"
    head, *lines_read = state.read_text().splitlines()
    state.write_text("\n".join([head, *lines_read, *lines_read]))
    path.write_bytes(stored)

    code, _, err = run(folder, "--log-group", "/a", *DATES, "-o", str(output))

    assert (code, output.read_bytes() == whole) == (0, True)
    assert "81 events in 4 of 4 objects" in err


def test_what_is_much_is_read_by_processes_and_is_the_same(
    run: Run, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole, _ = run(folder, "--log-group", "*", *DATES)
    monkeypatch.setattr(command, "_MUCH_BYTES", 0)
    path = min(Path(folder, "shop-prod/b").rglob("*.gz"))
    assert run(folder, "--log-group", "*", *DATES)[:2] == (0, whole)
    path.unlink()
    code, less, err = run(folder, "--log-group", "*", *DATES)
    assert (code, len(less.splitlines()) < len(whole.splitlines())) == (1, True)
    assert f"{path.relative_to(folder)}: it is not there" in err


def test_what_is_read_later_replaces_nothing_that_was_read_before(
    run: Run, folder: str, tmp_path: Path
) -> None:
    output = tmp_path / "a.log"
    path = min(Path(folder, "shop-prod/a/2026/11/21").rglob("web/*.gz"))
    stored = path.read_bytes()
    path.unlink()
    assert run(folder, "--log-group", "/a", *DATES, "-o", str(output))[0] == 1
    path.write_bytes(stored)
    assert run(folder, "--log-group", "/a", *DATES, "-o", str(output))[0] == 0
    assert output.read_bytes() == run(folder, "--log-group", "/a", *DATES)[1]


@pytest.fixture
def halves(
    path: str, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], None]]:
    """A fetch's first half, of a date that is not sealed yet; yield what seals the date.

    The ledger knows of no event when it was. By the seal the second half comes first.
    """
    with buckets_on_moto(config, monkeypatch) as s3:
        archive = three_dates(OnMoto(config.archive_bucket))
        date = window(3)
        logged = {"/app/a": (20, "evening"), "/app/b": (2, "morning")}
        statements = []
        for name, (hour, word) in logged.items():
            events = ((date.from_ms + hour * HOUR_MS + n, f"{word} {n}") for n in range(3))
            statements.append(archived(archive, date, {"web/000000": lines(*events)}, name))
            record = recorded(statements[-1], config)
            bucket = {"Bucket": config.control_bucket}
            s3.put_object(**bucket, Key=record.key, Body=emit(record).encode())
        opened = BucketStore.open

        def refused(self: BucketStore, key: str, version_id: str | None) -> object:
            if "/app/b/" in key:
                raise Unreadable(f"{key}: SlowDown")
            return opened(self, key, version_id)

        def seal() -> None:
            monkeypatch.setattr(BucketStore, "open", opened)
            archive.day(statements, date, time_zone="Etc/UTC")

        monkeypatch.setattr(BucketStore, "open", refused)
        yield seal


def test_a_fetch_goes_on_after_its_date_was_sealed_with_each_event_once(
    run: Run, path: str, tmp_path: Path, halves: Callable[[], None]
) -> None:
    output, date = tmp_path / "a.log", window(3)
    time = ("--from", in_utc(date.from_ms), "--to", in_utc(date.to_ms))
    arguments = (path, "--profile", "shop", "--log-group", "/app/*", *time, "-o", str(output))
    code, _, err = run(*arguments)
    assert (code, "SlowDown" in err) == (3, True)
    halves()
    code, _, err = run(*arguments)
    assert (code, "6 events in 2 of 2 objects" in err) == (0, True), err
    told = [line.split(" ", 1)[1] for line in output.read_text().splitlines()]
    assert told == [f"{word} {n}" for word in ("morning", "evening") for n in range(3)]


def test_a_fetch_that_has_read_more_than_there_is_by_the_seal_does_not_go_on(
    run: Run, path: str, tmp_path: Path, halves: Callable[[], None]
) -> None:
    output, at = tmp_path / "a.log", window(3).from_ms + HOUR_MS
    time = ("--from", in_utc(at), "--to", in_utc(at + 2 * HOUR_MS))
    arguments = (path, "--profile", "shop", "--log-group", "/app/*", *time, "-o", str(output))
    assert run(*arguments)[0] == 3
    halves()
    code, _, err = run(*arguments)
    assert (code, "not all that it has is to be read any more" in err) == (2, True), err


def test_another_fetch_does_not_go_on_with_it(run: Run, folder: str, tmp_path: Path) -> None:
    output = tmp_path / "a.log"
    min(Path(folder, "shop-prod/a").rglob("*.gz")).unlink()
    assert run(folder, "--log-group", "/a", *DATES, "-o", str(output))[0] == 1
    code, _, err = run(folder, "--log-group", "*", *DATES, "-o", str(output))
    assert code == 2
    assert "it is of another fetch" in err


def test_what_somebody_stops_goes_on(
    run: Run, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "a.log"
    added = fetching.Folder.add

    def stop(self: fetching.Folder, *what: object) -> None:
        added(self, *what)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "_TOGETHER_BYTES", 0)
    with monkeypatch.context() as patch:
        patch.setattr(fetching.Folder, "add", stop)
        code, _, err = run(folder, "--log-group", "*", *DATES[:2], "-o", str(output))
    assert code == 130
    [again] = [line for line in err.splitlines() if line.startswith("stopped; this goes on")]
    assert run(*shlex.split(again.partition(" logferry fetch ")[2]))[0] == 3
    assert len(output.read_bytes().splitlines()) == 162


@settings(derandomize=True, deadline=None, database=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.sampled_from(ORDINARY)), min_size=1, max_size=20),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([1, 40, 300]),
    st.sampled_from([0, 10**6]),
    st.integers(0, 5),
)
def test_runs_are_merged_wherever_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory,
    some: list[list[tuple[int, str]]],
    block_bytes: int,
    merged_bytes: int,
    slices: int,
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    written, events = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "_MERGED_BYTES", merged_bytes)
        patch.setattr(runs, "_LEAST_BYTES", block_bytes)
        cuts = cuts_of(START_MS, START_MS + 31, slices * runs._SLICE_BYTES)
        for number, told in enumerate(some):
            each = [
                stamp(START_MS + at) + f" {number} {n} {text}".encode()
                for n, (at, text) in enumerate(told)
            ]
            events += each
            written.append(write_run(folder / str(number), list(each), cuts))
        found = [
            event
            for number in range(len(cuts) + 1)
            for some_ in merged(parts_of(written, number))
            for event in some_
        ]
    assert found == sorted(events, key=lambda event: event[:24])


def test_what_is_remembered_of_a_file_is_where_its_own_time_is_in_it(tmp_path: Path) -> None:
    years = 730 * DAY_MS
    cuts = cuts_of(START_MS, START_MS + years, 10**12)
    at = (START_MS + years // 2, START_MS + years // 2 + DAY_MS // 10)
    run = write_run(tmp_path / "run", [stamp(each) + b" " for each in at], cuts)
    assert len(run.places) == 2
    assert [n for n in range(len(cuts) + 1) if parts_of([run], n)] == [run.first]
