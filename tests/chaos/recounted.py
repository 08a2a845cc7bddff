"""A recounter beside the simulated planner and exporter, and what it goes by.

The recounter is the real one, on the same AWS in memory: its notes lie beside the exporter's
ledger. CloudWatch Logs, as it is asked to count, is that of its own tests. The sealer is what it
promises: a note of each export of which more was counted than the archive has.
"""

import gzip
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from services.exporter.tests.conftest import PAGES, export_request
from services.recounter.tests.conftest import Account
from services.recounter.tests.conftest import World as Counted
from tests.chaos.simulated import Groups, Killed, SharedLedger

from exporter import direct
from exporter.direct import Event
from logferry_contracts.addendum import addendum_folder
from logferry_contracts.ledger_key import LACKING_NOTES, LEDGER, recount_key, seal_note_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.open_exports import note_of
from logferry_contracts.recount import Recount
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from logferry_deliveries.errors import AwsError, RetryError
from recounter.aws.bucket import Bucket, TooLateError
from recounter.aws.control import Control
from recounter.aws.corrections import Corrections
from recounter.aws.requests import Requests
from recounter.correcting import LONGEST_WAIT, Correcting
from recounter.recounting import Recounting
from recounter.turn import Turn

REVISIT_DAYS = (3, 14)
LAST_LOOK = timedelta(days=max(REVISIT_DAYS), hours=3)
TAKEN_FOR = timedelta(days=13)
"""CloudWatch Logs takes events that are up to 14 days old."""
TROUBLE = 0.02
"""So often a call of the recounter's fails, or is its last."""
STREAM = "web/1"


class Objects(Bucket):
    """The control bucket, of which the ledger is the exporter's."""

    def __init__(self, cloud: Groups, meet: Callable[[str], None]) -> None:
        self.cloud = cloud
        self.meet = meet
        self.own: dict[str, tuple[bytes, str]] = {}
        self.damaged = set()

    def listed(self, **which: Any) -> Iterator[Mapping[str, Any]]:
        self.meet("ListObjectsV2")
        sizes = {key: len(body) for key, (body, _) in self.own.items()}
        sizes |= dict.fromkeys(self.cloud.ledger, 1)
        if which["Prefix"].startswith(note_of(LEDGER)):
            ended = {each.key for each in SharedLedger(self.cloud).readable() if has_ended(each)}
            sizes |= {note_of(key): 0 for key in self.cloud.ledger.keys() - ended}
        for key in sorted(sizes):
            if key.startswith(which["Prefix"]) and key > which.get("StartAfter", ""):
                yield {"Key": key, "Size": sizes[key], "LastModified": self.cloud.now}

    def get(self, key: str) -> tuple[bytes, str] | None:
        self.meet("GetObject")
        if key in self.cloud.ledger:
            body, etag = self.cloud.ledger[key]
            return body.encode(), etag
        return self.own.get(key)

    def put(self, key: str, body: bytes, **condition: Any) -> str:
        self.meet("PutObject")
        known = self.own[key][1] if key in self.own else None
        if condition and condition.get("IfMatch") != known:
            raise TooLateError("PutObject", key, "PreconditionFailed", "somebody was faster")
        self.own[key] = body, f"etag-{next(self.cloud.numbers)}"
        self.meet("PutObject done")
        return self.own[key][1]


def has_ended(record: LedgerRecord) -> bool:
    """Return whether nobody works on an export any more."""
    return record.state not in {"requested", "submitted"}


def last_tries(records: Iterable[LedgerRecord], name: str, date: Window) -> list[LedgerRecord]:
    """Return the last try of each window of a log group's date, without halves.

    It is one window, or several: of a date whose record somebody has deleted the ledger has those
    of its halves, and so they are planned.
    """
    found: dict[tuple[int, int], LedgerRecord] = {}
    for each in sorted(records, key=lambda each: each.generation):
        edges = each.window.from_ms, each.window.to_ms
        is_of_date = date.from_ms <= edges[0] < date.to_ms
        if is_of_date and each.log_group.name == name and each.parent_export_id is None:
            found[edges] = each
    whole = found.get((date.from_ms, date.to_ms))
    return [found[edges] for edges in sorted(found)] if whole is None else [whole]


class Recounts:
    """One source's recounter, and those who send events late.

    Attributes:
        name: The log group that gets them.
        is_calm: Whether all calls go through.
    """

    def __init__(self, rng: random.Random, cloud: Groups, name: str) -> None:
        self.rng = rng
        self.cloud = cloud
        self.name = name
        self.is_calm = False
        self.source = export_request(name).source
        self.window = export_request(name).window
        self.last_look = self.window.end + LAST_LOOK
        self.numbers = itertools.count(10)
        cloud.pages[name] = [list(page) for page in PAGES]
        self.counted = Counted(now=cloud.now, before=self._meet)
        self.counted.events[name] = [each.timestamp_ms for each in self.events()]
        self.objects = Objects(cloud, self._meet)
        self.control = Control(self.objects, self.source)

    def events(self) -> list[Event]:
        """Return what CloudWatch Logs has of the log group."""
        return [each for page in self.cloud.pages[self.name] for each in page]

    # -- what happens -------------------------------------------------------------------------

    def let_an_agent_come_back(self) -> str:
        """Let an event come in late."""
        if self.cloud.now > self.window.end + TAKEN_FOR:
            return ""
        at_ms = self.window.from_ms + next(self.numbers)
        self.cloud.pages[self.name][-1].append(Event(STREAM, at_ms, f"late {at_ms}"))
        self._set_clock()
        self.counted.late(self.name, at_ms, stream=STREAM)
        return f"{at_ms}"

    def wait(self) -> str:
        """Let hours pass, after which lost messages are missed."""
        self.cloud.now += timedelta(hours=self.rng.choice([1, 9, 30]))
        return ""

    def damage_a_note(self) -> str:
        """Cut off what the recounter has written or noted."""
        noted = sorted(key for key in self.objects.own if key.startswith("recounts/"))
        if not noted:
            return ""
        key = self.rng.choice(noted)
        body, etag = self.objects.own[key]
        self.objects.own[key] = body[: self.rng.randint(1, len(body) // 2 + 1)], f"{etag}-cut"
        return key

    def count_again(self) -> str:
        """Let the recounter look, which may be killed or throttled at each of its calls."""
        self.seal()
        until = self.cloud.now + timedelta(seconds=800)
        turn = Turn(
            clock=lambda: self.cloud.now,
            has_time=lambda: self.cloud.now < until,
            sleep=self._sleep,
        )
        self._set_clock()
        with suppress(Killed):
            for work in (self._correcting(), self._recounting()):
                with suppress(RetryError):
                    work.look(turn)
        return ""

    def seal(self) -> None:
        """Note of each window whether more was counted than the archive has, as seals do."""
        for each in self.last():
            if each.completed is not None and each.completed.published_at is not None:
                self._seal(each)

    def _seal(self, last: LedgerRecord) -> None:
        counted = None
        with suppress(ContractError, KeyError):
            text, _ = self.objects.own[recount_key(last.source, last.window, last.export_id)]
            counted = parse(Recount, text).recount.events
        is_lacking = counted is not None and counted > self.archived(last).total()
        where = self.source.account_id, self.source.region, last.window, self.name
        key = seal_note_key(LACKING_NOTES, *where)
        self.objects.own[key] = self.name.encode() if is_lacking else b"", "sealed"

    # -- what there is ------------------------------------------------------------------------

    def last(self) -> list[LedgerRecord]:
        """Return the last try of each window of the log group's date."""
        return last_tries(SharedLedger(self.cloud).readable(), self.name, self.window)

    @property
    def added(self) -> int:
        """How many addenda the exports have got."""
        return sum(len(each.addenda or ()) for each in self.last())

    def archived(self, record: LedgerRecord) -> Counter[bytes]:
        """Return how often each line of the log group is in an export's objects."""
        if record.completed is None:
            return Counter()
        bodies = {each.version_id: each.body for each in self.cloud.archive}
        return Counter(
            line
            for each in record.completed.manifest.objects or []
            for line in gzip.decompress(bodies[each.version_id]).splitlines()
        )

    def problems(self) -> Iterator[str]:
        """Yield which events are not in the archive once."""
        there = sum((self.archived(each) for each in self.last()), Counter[bytes]())
        lines = direct.lines(self.events())
        wanted = Counter(line for text in lines.values() for line in text.splitlines())
        if there != wanted:
            yield f"{self.name}: missing {wanted - there}, too often {there - wanted}"
        told = {each.id for each in self.cloud.completed_events()}
        for last in self.last():
            for each in last.addenda or ():
                is_told = addendum_folder(last.export_id, each.number) in told
                if not is_told or each.published_at is None:
                    yield f"addendum {each.number} of {last.export_id} is not told"

    # -- how ----------------------------------------------------------------------------------

    def _correcting(self) -> Correcting:
        return Correcting(
            control=self.control,
            corrections=Corrections(self.objects, self.source),
            requests=Requests(self, self.source),  # type: ignore[arg-type]  # as SQS it is enough
            source=self.source.name,
            most_bytes=1_000_000_000,
            stop_share=20,
            since=LONGEST_WAIT,
        )

    def _recounting(self) -> Recounting:
        return Recounting(
            control=self.control,
            requests=Requests(self, self.source),  # type: ignore[arg-type]  # as SQS it is enough
            reach=lambda: Account(self.counted),
            share=10,
            lag=timedelta(hours=2),
            look_back=timedelta(days=7),
            open_after=timedelta(days=3),
            revisit_days=REVISIT_DAYS,
        )

    def get_queue_url(self, **_queue: str) -> dict[str, str]:
        return {"QueueUrl": "direct"}

    def send_message(self, **message: str) -> None:
        """Take a message into the direct lane's queue, where there is one."""
        self._meet("SendMessage")
        if self.cloud.has_queue("direct"):
            self.cloud.enqueue(message["MessageBody"], message["MessageGroupId"])

    def _meet(self, call: str) -> None:
        if self.is_calm or self.rng.random() >= TROUBLE:
            return
        raise Killed if self.rng.random() < 0.5 else AwsError(call, "it", "SlowDown", "Wait.")

    def _sleep(self, seconds: float) -> None:
        self.cloud.now += timedelta(seconds=seconds)
        self._set_clock()

    def _set_clock(self) -> None:
        self.counted.now = self.cloud.now
