"""What is much is checked by other processes, to the same findings."""

import multiprocessing
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import boto3
import pytest
from cli.tests.test_verify import Copy
from contracts.tests.sealed_archive import SOURCE, Archive, gz
from moto import mock_aws

from logferry import work
from logferry.bucket_store import BucketStore
from logferry.command import main
from logferry.workers import Processes
from logferry_contracts.statement import CONTRADICTED
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.findings import SealError
from logferry_contracts.verification.objects import Level

LEVELS: tuple[Level, ...] = ("seals", "bytes", "events")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(Copy(tmp_path / "copy"))
    archive.days(20)
    (tmp_path / "seals.pem").write_text(archive.key.pem)
    return archive


def verify(tmp_path: Path, level: Level, capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    key = str(tmp_path / "seals.pem")
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(tmp_path / "copy"), "--key", key, "--level", level, "--json"])
    return ended.value.code, capsys.readouterr().out


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What other processes were given to do."""
    seen: list[object] = []
    mapped, begin = Processes.mapped, Processes.begin

    def noting(self: Processes, do: Any, on: Any) -> Any:
        seen.append(do)
        return mapped(self, do, on)

    def noting_begun(self: Processes, do: Any, thing: Any) -> Any:
        seen.append(do)
        return begin(self, do, thing)

    monkeypatch.setattr(Processes, "mapped", noting)
    monkeypatch.setattr(Processes, "begin", noting_begun)
    yield seen
    multiprocessing.active_children()


@pytest.mark.parametrize("level", LEVELS)
def test_other_processes_find_what_this_one_finds(
    level: Level,
    archive: Archive,
    tmp_path: Path,
    seen: list[object],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = sorted((tmp_path / "copy" / SOURCE.profile).rglob("*.gz"))
    paths[3].unlink()
    paths[5].write_bytes(paths[5].read_bytes()[:-1])
    paths[7].write_bytes(gz([0]))
    lists = sorted((tmp_path / "copy/!seals").rglob("*.jsonl"))
    lists[2].unlink()
    lists[4].write_bytes(lists[4].read_bytes().replace(b"app/a", b"app/c"))
    here = verify(tmp_path, level, capsys)
    assert seen == []

    monkeypatch.setattr(work, "_MANY_LEAVES", 1)
    monkeypatch.setattr(work, "_MANY_BYTES", 1)
    monkeypatch.setattr(work, "SEALS_TOGETHER", 8)

    assert verify(tmp_path, level, capsys) == here
    # Of 20 seals twice 8 while the chain is read, and the others once it was; objects of all dates
    # go on without a pause between them.
    assert len(seen) == (3 if level == "seals" else 1)
    assert here[0] == 1


def test_seals_that_others_may_have_a_say_in_wait_for_the_whole_chain(
    archive: Archive,
    tmp_path: Path,
    seen: list[object],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = archive.window()
    differs = {"what": "object_missing", "key": "shop-prod/a"}
    contradicted = [
        archive.statement(name, window, CONTRADICTED, exports=[], differences=[differs])
        for name in ("/app/mended", "/app/open")
    ]
    archive.day(contradicted, window)
    archive.later([archive.archived("/app/mended", window)], window)
    here = verify(tmp_path, "seals", capsys)
    monkeypatch.setattr(work, "_MANY_LEAVES", 1)
    monkeypatch.setattr(work, "SEALS_TOGETHER", 1)

    assert verify(tmp_path, "seals", capsys) == here
    assert here[0] == 1
    assert here[1].count('"finding": "contradicted"') == 1
    # 20 dates and the later seal while the chain is read; then what that may have a say in.
    assert len(seen) == 21 + 1


_TELLING_HOW_PROCESSES_BEGIN = """
import multiprocessing, sys
from logferry.command import main
get = multiprocessing.get_context
multiprocessing.get_context = lambda method=None: print(method) or get(method)
main(sys.argv[1:])
"""


@pytest.mark.usefixtures("archive")
def test_a_folder_is_checked_by_forks_which_import_nothing(tmp_path: Path) -> None:
    key = str(tmp_path / "seals.pem")
    options = [str(tmp_path / "copy"), "--key", key, "--level", "seals", "--json"]
    command = [sys.executable, "-c", _TELLING_HOW_PROCESSES_BEGIN, "verify", *options]

    ran = subprocess.run(command, capture_output=True, text=True, check=False)

    begun = [each for each in ran.stdout.splitlines() if not each.startswith("{")]
    assert begun == ["fork" if sys.platform == "linux" else "forkserver"], ran.stderr


def elsewhere(thing: Any) -> Any:
    """Return what another process has of it."""
    return pickle.loads(pickle.dumps(thing))  # noqa: S301  (our own)


def test_what_an_object_is_given_out_with_is_a_few_others() -> None:
    class Stated:
        def __init__(self, size_bytes: int) -> None:
            self.stated = self
            self.size_bytes = size_bytes

    sizes = [1] * 40 + [33 * 2**20] * 2 + [4 * 2**20] * 10
    found = list(work._together(map(Stated, sizes), 32 * 2**20))  # type: ignore[arg-type]

    assert [len(each) for each in found] == [16, 16, 9, 1, 9, 1]
    assert [each.size_bytes for some in found for each in some] == sizes


@pytest.mark.parametrize(
    "kind",
    [
        each
        for each in vars(named).values()
        if isinstance(each, type) and issubclass(each, SealError)
    ],
)
def test_every_error_is_the_same_in_another_process(kind: type[SealError]) -> None:
    error = kind("a key", "what is wrong", "what to do")

    there = elsewhere(error)

    assert (type(there), str(there), there.code) == (kind, str(error), error.code)


def test_a_bucket_is_the_same_in_another_process() -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="archive")
        s3.put_object(Bucket="archive", Key="a", Body=b"text")

        there = elsewhere(BucketStore(s3, "archive", are_logs_held=False))

        assert there.open("a", None).read(9) == b"text"
        assert (str(there), there.is_held("a", None)) == ("s3://archive", None)
        assert there.readers > 1


def wait_for_a_signal(_: int) -> None:
    signal.pause()


def test_what_is_under_way_in_other_processes_is_ended() -> None:
    processes = Processes(2)
    under_way = processes._pool.submit(wait_for_a_signal, 1)
    while not under_way.running():
        wait([under_way], 0.01)
    children = multiprocessing.active_children()
    manager: Any = processes._pool._executor_manager_thread

    processes.stop()

    # It would be woken when Python ends, which prints an error if it is just ending itself.
    assert not manager.is_alive()
    for each in children:
        each.join(10)
    assert children
    assert not any(each.is_alive() for each in children)


ENDED_WHILE_WRITING = """
from logferry.workers import Processes

processes = Processes.forked(2)
next(processes.mapped(bytes, [1 << 24] * 9))
processes.stop()
"""


def test_a_process_that_is_ended_while_it_writes_is_not_waited_for() -> None:
    command = [sys.executable, "-c", ENDED_WHILE_WRITING]
    done = subprocess.run(command, stderr=-1, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
