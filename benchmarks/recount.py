"""What counting a source's day in CloudWatch costs, and how much of it is counted.

The recounter's own code, over the workload of the exporters' benchmark: log groups with a heavy
tail, whose sizes the planner has guessed with the errors that it makes. A query reads the bytes of
the window.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from docs.tools import prices
from rich.console import Console

from benchmarks import _limits
from benchmarks.simulation.workload import LogGroup, active, log_groups
from logferry_contracts.documents import examples
from logferry_contracts.insights import Answer
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.reads import Reader
from logferry_contracts.recount import NO, Recount
from logferry_contracts.window import Window
from logferry_contracts.wire import parse
from recounter.aws.control import Control
from recounter.aws.source_account import SourceAccount
from recounter.note import Note
from recounter.recounting import Recounting
from recounter.turn import Turn

LOG_GROUPS = 5000
SEEDS = range(20)
DIRECT_BYTES = 1_000_000_000
"""What has fewer takes the direct lane, and is counted by a query."""
LIMITS: _limits.Limits = {
    "recount.dollars_over_ingestion": 0.01,
    "recount.bytes_counted": _limits.Between(0.95, 1),
}
_COMPLETED = next(
    each.text
    for each in examples("accept", "ledger-record")
    if each.document["state"] == "completed"
)


class _Bucket(Control):
    def __init__(self, records: Iterable[LedgerRecord]) -> None:
        self.records = {each.export_id: each for each in records}
        self.recounts: dict[str, Recount] = {}
        self._note = Note()

    def windows(self, since_ms: int) -> Iterator[tuple[Window, list[str]]]:
        yield next(iter(self.records.values())).window, sorted(self.records)

    def open_windows(self) -> set[str]:
        return set()

    def note_reading(self, _reader: Reader, _body: bytes) -> None:
        pass

    def reading(self) -> dict[str, datetime]:
        return {}

    def prefix(self, window: Window) -> str:
        return str(window)

    def record(self, window: Window, export_id: str) -> LedgerRecord | None:
        return self.records.get(export_id)

    def counted(self, window: Window, look: int) -> set[str]:
        return set(self.recounts)

    def put(self, recount: Recount, look: int) -> None:
        self.recounts[recount.export_id] = recount

    def note(self, window: Window, look: int) -> tuple[Note, str | None]:
        return self._note, None

    def keep(self, window: Window, look: int, note: Note, etag: str | None) -> str:
        self._note = note
        return ""


class _Account(SourceAccount):
    def __init__(self, sizes: dict[str, int]) -> None:
        self._sizes = sizes
        self._queries: list[int] = []
        self.scanned = 0

    def start(self, log_group_names: Sequence[str], window: Window) -> str:
        self._queries.append(sum(self._sizes[name] for name in log_group_names))
        self.scanned += self._queries[-1]
        return str(len(self._queries) - 1)

    def answer(self, query_id: str) -> Answer:
        return Answer(status="Complete", scanned_bytes=self._queries[int(query_id)], rows=[])


def run() -> dict[str, float]:
    """Print what a day's recount costs and reaches, the worst of some days."""
    console = Console()
    days = [_day(seed) for seed in SEEDS]
    dearest, least = max(each[0] for each in days), min(each[1] for each in days)
    console.print(
        f"{LOG_GROUPS} log groups, {len(days)} days: at most {dearest:.4%} of what ingestion costs"
        f", {least:.2%} of bytes counted at least"
    )
    return {"recount.dollars_over_ingestion": dearest, "recount.bytes_counted": least}


def _day(seed: int) -> tuple[float, float]:
    groups = active(log_groups(LOG_GROUPS, t0_s=10.0, seed=seed))
    bucket, sizes = _Bucket(map(_record, groups)), {each.name: each.size_bytes for each in groups}
    account = _Account(sizes)
    now = [datetime.fromtimestamp(next(iter(bucket.records.values())).window.to_ms / 1000, UTC)]
    now[0] += timedelta(days=1)

    def sleep(for_s: float) -> None:
        now[0] += timedelta(seconds=for_s)

    Recounting(
        control=bucket,
        requests=cast("Any", None),  # no window was empty
        reach=lambda: account,
        share=10,
        lag=timedelta(hours=2),
        look_back=timedelta(days=7),
        open_after=timedelta(days=3),
    ).look(Turn(clock=lambda: now[0], has_time=lambda: True, sleep=sleep))
    total = sum(sizes.values())
    counted = sum(
        sizes[bucket.records[key].log_group.name]
        for key, each in bucket.recounts.items()
        if each.recount.by != NO
    )
    paid = account.scanned * prices.LOGS_SCANNED.dollars
    ratio = paid / (total * prices.LOGS_INGESTED.dollars)
    return round(ratio, 9), counted / total  # no float is a hundredth


def _record(group: LogGroup) -> LedgerRecord:
    record = parse(LedgerRecord, _COMPLETED)
    named = record.log_group.model_copy(update={"name": group.name, "retention_days": None})
    changes = {
        "export_id": f"{int(group.name.rpartition('/')[2]):032x}",
        "log_group": named,
        "lane": "direct" if group.estimated_bytes < DIRECT_BYTES else "slot",
        "estimated_bytes": group.estimated_bytes,
    }
    return record.model_copy(update=changes)
