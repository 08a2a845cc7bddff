"""The suite's way from a log group to a seal, step by step, and what came of each event."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from logferry import plan as planning
from logferry import seal as sealing
from logferry import verify as verifying
from logferry import work
from logferry.acceptance.answer import Answer, Question
from logferry.acceptance.bench import Bench
from logferry.acceptance.run import Loaded
from logferry.audit import Audit
from logferry.bucket_store import BucketStore
from logferry.resuming import Progress, Task
from logferry_contracts.archive import events_of_object, stream_in_key
from logferry_contracts.chain import ChainName
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import log_group_folder
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.pattern import Pattern
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.sealed import Seals, add_sealed
from logferry_contracts.retrieval.search import Match, Report, Searching
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.verification.chain import read_chain
from logferry_ledger.ledger import Ledger, last_tries

type Event = tuple[str, str, int, str]
"""``(folder of the log group, stream as in the key, timestamp in ms, message)``"""

PLANNED = Question(
    name="flow-planned",
    question="Does a plan find the log groups, and give each the lane that it is for?",
    expected="direct: standard; slot: infrequent",
    relies="services/planner/src/planner/plan.py",
    means="Nothing is lost: the slot takes anything. See whether IncomingLogEvents was late "
    "(metric-delay); direct_lane.planned_bytes says what is small.",
)
SECURED = Question(
    name="flow-secured",
    question="Is every export archived, under the archive's key and on hold?",
    expected="standard: secured; infrequent: secured",
    relies="services/exporter/src/exporter/export.py",
    means="The command status names what failed and why. Where a task found nothing although "
    "events are there, the exporter tries again after hours: go on with --resume.",
)
SEALED = Question(
    name="flow-sealed",
    question="Is the day sealed, and does its seal hold to the event?",
    expected="valid",
    relies="services/sealer/src/sealer/sealing.py",
    means="The details name each finding; docs/verify.md says what it means.",
)
SEARCHED = Question(
    name="flow-searched",
    question="Does a search find the day's events by what its seal says?",
    expected="found: all, and nothing else",
    relies="contracts/src/logferry_contracts/retrieval/search.py",
    means="An event of the day is not found, or another one is: do not rely on searches before "
    "this is understood. The details say what could not be read.",
)
WORD = "accepted"
"""Which some of a run's events have."""
COMPARED = Question(
    name="flow-events",
    question="Are exactly the events that were put in in the archive?",
    expected="missing: 0, surplus: 0",
    relies="services/exporter/src/exporter/direct.py",
    means="An event is missing or there twice: do not rely on the archive before this is "
    "understood.",
)


def _await_events(bench: Bench) -> None:
    """Wait until the events can be read, so that no window seems empty."""
    group = bench.run.loaded()[0]
    window, wanted = bench.run.window, len(list(group.events()))

    def readable() -> bool | None:
        pages = (
            bench.source.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=group.name, startTime=window.from_ms, endTime=window.to_ms - 1)
        )
        return sum(len(page["events"]) for page in pages) >= wanted or None

    bench.until(f"{wanted} events by FilterLogEvents", readable)


def plan(bench: Bench) -> Answer:
    """Have the day planned, and say which lane each log group took."""
    _await_events(bench)
    run = bench.run
    day = run.day.isoformat()
    request = planning.plan_request(run.config, run.profile, first=day, last=day, dry_run=False)
    planning.plan(bench.session, run.config, request)
    lanes = {_short(record): record.lane for record in _records(bench)}
    seen = "; ".join(
        f"{lane}: {', '.join(sorted(name for name, its in lanes.items() if its == lane))}"
        for lane in sorted(set(lanes.values()))
    )
    return Answer.of(PLANNED, seen or "nothing planned")


def secure(bench: Bench) -> Answer:
    """Wait until every export has ended, and say how.

    Raises:
        NotYet: One has not: where a task found nothing, the exporter tries again after hours.
    """

    def ended() -> list[LedgerRecord] | None:
        records = _records(bench)
        return records if records and all(map(_has_ended, records)) else None

    records = bench.until("the exports' end", ended)
    states = {_short(record): record.state for record in records}
    names = [group.name.removeprefix(bench.run.flow_folder) for group in bench.run.loaded()]
    seen = "; ".join(f"{name}: {states.get(name, 'not in the ledger')}" for name in names)
    reasons = {
        _short(record): record.failed.reason for record in records if record.failed is not None
    }
    return Answer.of(SECURED, seen, reasons)


def seal(bench: Bench) -> None:
    """Ask for the day's seal, and wait for it.

    Raises:
        NotYet: There is none.
    """
    run = bench.run
    (source,) = run.config.sources
    store, chain = _store(bench), ChainName.of(run.config.source_name(source))
    asked = sealing.asking(run.config, source, first=None, last=None, now=datetime.now(UTC))
    sealing.ask(bench.session, run.config, asked)

    def sealed() -> bool | None:
        links = read_chain(store, chain, (_signing_key(bench),)).links
        return (
            any(link.sealed and link.sealed.date == run.day.isoformat() for link in links) or None
        )

    bench.until("the day's seal", sealed)


def verify(bench: Bench) -> Answer:
    """Check the seal, and everything that it covers."""
    run, store = bench.run, _store(bench)
    chain = ChainName.of(run.config.source_name(run.config.sources[0]))
    findings: list[str] = []
    (report,) = verifying.check(
        store,
        [chain],
        verifying.Asked(keys=(_signing_key(bench),), level="events"),
        Progress(None, Task(str(store), "events", work.WHOLE), ""),
        Audit("events"),
        processes=work.processes(store),
        tell=lambda _, finding: findings.append(verifying.line(finding)),
        watch=lambda _: None,
    )
    seen = report.verdict if report.seals else "no seal"
    return Answer.of(SEALED, seen, {str(n): line for n, line in enumerate(findings, 1)})


def search(bench: Bench) -> Answer:
    """Search the day for a word, and compare with the events that have it."""
    run, store = bench.run, _store(bench)
    window = run.window
    plan = Plan(
        Asked(log_groups=(f"{run.flow_folder}*",), from_ms=window.from_ms, to_ms=window.to_ms)
    )
    chain = ChainName.of(run.config.source_name(run.config.sources[0]))
    add_sealed(plan, store, Seals.read(store, chain, (_signing_key(bench),), window.from_ms))
    plan.finish()
    searching, report = Searching(store, plan.asked, Pattern(WORD), context=0), Report()
    found = Counter[Event]()
    for outcome in map(searching, plan.streams()):
        report.add(outcome, len(outcome.found or ()))
        found.update(map(_found, outcome.found or ()))
    wanted = Counter(event for event in _put_in(run.loaded()) if WORD in event[-1])
    missing, surplus = wanted - found, found - wanted
    if report.is_whole and not missing and not surplus:
        return Answer.of(SEARCHED, SEARCHED.expected, {"events": str(found.total())})
    seen = f"missing: {missing.total()}, surplus: {surplus.total()}"
    findings = {str(n): str(each) for n, each in enumerate(report.findings, 1)}
    return Answer.of(SEARCHED, seen, findings)


def _found(match: Match) -> Event:
    event = match.event
    return log_group_folder(match.log_group_name), event.stream, event.at_ms, event.message


def compare(bench: Bench) -> Answer:
    """Compare the archive with what was put in, event by event."""
    put_in = Counter(_put_in(bench.run.loaded()))
    archived = Counter(_archived(bench))
    missing, surplus = put_in - archived, archived - put_in
    examples = {
        what: json.dumps(next(iter(events)), ensure_ascii=False)
        for what, events in (("missing", missing), ("surplus", surplus))
        if events
    }
    seen = f"missing: {missing.total()}, surplus: {surplus.total()}"
    return Answer.of(COMPARED, seen, {"events": str(put_in.total()), **examples})


def _put_in(groups: list[Loaded]) -> Iterator[Event]:
    for group in groups:
        for stream, at_ms, message in group.events():
            yield log_group_folder(group.name), stream_in_key(stream), at_ms, message


def _archived(bench: Bench) -> Iterator[Event]:
    """Yield every event of the current versions in the archive, whichever export they are of."""
    s3, bucket = bench.client("s3"), bench.run.config.archive_bucket
    folders = [log_group_folder(group.name) for group in bench.run.loaded()]
    for folder in folders:
        prefix = f"{bench.run.profile}/{folder}/"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for found in [found for page in pages for found in page.get("Contents", [])]:
            if found["Key"].endswith(".gz"):
                body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"]
                for event in events_of_object(found["Key"], body):
                    yield folder, event.stream, event.at_ms, event.message


def _records(bench: Bench) -> list[LedgerRecord]:
    """Return the last try of each log group of the day."""
    run = bench.run
    ledger = Ledger(bench.client("s3"), run.config.control_bucket)
    source = run.config.source_name(run.config.sources[0])
    found = [
        record
        for prefix, window in ledger.windows(source)
        if window == run.window
        for _, record in last_tries(ledger.records(prefix)).values()
    ]
    return [each for each in found if each.log_group.name.startswith(run.flow_folder)]


def _has_ended(record: LedgerRecord) -> bool:
    return record.state in {"secured", "skipped", "failed"}


def _short(record: LedgerRecord) -> str:
    return record.log_group.name.rpartition("/")[2]


def _store(bench: Bench) -> BucketStore:
    return BucketStore(bench.client("s3"), bench.run.config.archive_bucket)


def _signing_key(bench: Bench) -> TrustedKey:
    parameter = f"/{bench.run.name}/seals/key-arn"
    arn = bench.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    der = bench.client("kms").get_public_key(KeyId=arn)["PublicKey"]
    pem = load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return TrustedKey.from_pem(pem, "the key of the seals")
