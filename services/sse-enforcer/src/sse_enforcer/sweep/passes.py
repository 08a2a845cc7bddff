"""A pass over the whole archive, which finds and mends what no message was about.

First the multipart uploads, then every version in the archive, then the ledger. A pass takes as
many invocations as it needs: each goes on where the report says, and every step may be done again.
What is mended is mended by the `Enforcer` and by `Exports`, with the proofs that they ask for.
"""

from collections import Counter
from datetime import datetime

from aws_lambda_powertools import Logger

from logferry_deliveries.errors import NotDoneError, RefusedError
from sse_enforcer.errors import OvertakenError
from sse_enforcer.layout import Kind, kind
from sse_enforcer.metrics import FINDINGS_OPEN, STOOD_IN, SWEEPS_COMPLETED
from sse_enforcer.sweep.findings import Action, Finding
from sse_enforcer.sweep.ledger import LedgerSweep
from sse_enforcer.sweep.report import Pass, Place, Report, Schedule, SweepRequest
from sse_enforcer.sweep.slice import Slice, Time, Wiring
from sse_enforcer.sweep.versions import VersionsSweep

logger = Logger()


def sweep(
    wiring: Wiring, request: SweepRequest, *, now: datetime, time: Time, counts: Counter[str]
) -> Report | None:
    """Go on with a pass, or begin one.

    Args:
        wiring: What to work with.
        request: Which pass.
        now: When this invocation began.
        time: How long it may take.
        counts: Where to count what was done, by metric, also when this raises.

    Returns:
        The pass's report so far; None when none is due.

    Raises:
        KmsKeyError: There is no key to hold the archive to.
        RefusedError: ``no_report``: the pass to go on with is not known.
        RetryError: A call failed, or another invocation is at the same pass. The next
            invocation goes on.
    """
    schedule = wiring.reports.schedule()
    report = _report(wiring, request, schedule, now)
    if report is None or (report.is_complete and request.report_key is not None):
        return report
    report.attempts += 1
    report.updated_at = now
    wiring.reports.store(report)
    _go_on(Slice(wiring, report, now=now, time=time, counts=counts))
    if report.is_complete and not report.about.dry_run:
        wiring.reports.store_schedule(schedule.completed(report.about))
        counts[SWEEPS_COMPLETED] += 1
        counts[FINDINGS_OPEN] += report.open_count
        counts[STOOD_IN] += report.stood_in_count
        if report.stood_in_count:
            logger.warning(
                "did the work of events that did not come: compare the deployment (logferry diff)",
                exports=report.stood_in_count,
            )
    logger.info(
        "swept",
        report=report.about.report_key,
        is_complete=report.is_complete,
        looked_at=report.looked_at,
        open_count=report.open_count,
    )
    return report


def _report(
    wiring: Wiring, request: SweepRequest, schedule: Schedule, now: datetime
) -> Report | None:
    """Return the report of the pass to go on with, or of a new one."""
    if request.report_key is not None:
        report = wiring.reports.report(request.report_key)
        if report is None:
            raise RefusedError("no_report", f"there is none at {request.report_key}")
        return report
    key_arn = wiring.keys.key_arn("")
    if request.run == "now":
        return _new(wiring, request, schedule, key_arn, now)
    active = schedule.active
    if active is not None and (active.key_arn, active.hold) == (
        key_arn,
        wiring.settings.hold.value,
    ):
        return wiring.reports.report(active.report_key) or _begun(wiring, active, schedule, now)
    if active is None and not schedule.is_due(now, wiring.settings.sweep_every):
        return None
    report = _new(wiring, request, schedule, key_arn, now)
    schedule.active = report.about
    wiring.reports.store_schedule(schedule)
    return report


def _new(
    wiring: Wiring, request: SweepRequest, schedule: Schedule, key_arn: str, now: datetime
) -> Report:
    settings = wiring.settings
    since = schedule.since(
        now,
        key_arn=key_arn,
        hold=settings.hold.value,
        full_every=settings.sweep_full_every,
    )
    about = Pass(
        started_at=now,
        dry_run=request.run == "now" and request.dry_run,
        since=None if request.full else since,
        until=now - settings.sweep_grace,
        key_arn=key_arn,
        hold=settings.hold.value,
    )
    return _begun(wiring, about, schedule, now)


def _begun(wiring: Wiring, about: Pass, schedule: Schedule, now: datetime) -> Report:
    """Return the report of a pass that has done nothing yet."""
    last = None if schedule.last_key is None else wiring.reports.report(schedule.last_key)
    if last is None or last.is_again_full:
        about = about.model_copy(update={"since": None})
    earlier = [] if last is None or about.is_full else last.again
    return Report(about=about, updated_at=now, earlier=earlier)


def _go_on(part: Slice) -> None:
    """Go on until the pass is complete or the time is up; store the report in any case."""
    steps = {
        "uploads": lambda: _sweep_uploads(part),
        "versions": VersionsSweep(part).sweep_page,
        "ledger": LedgerSweep(part).sweep_page,
    }
    try:
        while part.report.place.phase != "done" and part.time.is_enough():
            before = part.report.place
            steps[part.report.place.phase]()
            if part.report.place == before:
                break  # the time is up, within something long
        part.report.is_complete = part.report.place.phase == "done"
    except OvertakenError:
        raise
    except NotDoneError:
        part.store()
        raise
    part.store()


def _sweep_uploads(part: Slice) -> None:
    """Deal with all of them at once: there are few, and each that is dealt with is gone."""
    old = part.now - part.wiring.settings.sweep_upload_age
    for upload in part.wiring.listing.uploads():
        if upload.initiated > old:
            continue
        begun = f"begun {upload.initiated.isoformat()}"
        if kind(upload.key) is not Kind.LOG_FILE:
            action = Action.LEFT_ALONE
        elif part.is_dry_run:
            action = Action.WOULD_MEND
        else:
            action = Action.MENDED
        look = part.found(Finding.ABANDONED_UPLOAD, action, upload.key, upload.upload_id, begun)
        if action is Action.MENDED:
            try:
                part.wiring.uploads.abort(upload.key, upload.upload_id)
            except NotDoneError as error:
                look = part.failed(Finding.ABANDONED_UPLOAD, upload.key, upload.upload_id, error)
        part.take_in(look)
    part.go_on_at(Place(phase="versions"))
