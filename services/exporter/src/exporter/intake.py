"""One message worked on: what it asks for, and what becomes of it when that meets an error."""

from aws_lambda_powertools.metrics import MetricUnit

from exporter import addendum, direct_lane, export, patience, pausing
from exporter.day_end import DayEnd
from exporter.delivery import Delivery
from exporter.errand import Errand
from exporter.errors import NotFinishedError, WrongSourceError
from exporter.telemetry import count, emit_metrics, log_keys, logger, measure
from exporter.wiring import Wiring
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.message import Message
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse

type Asked = Errand | DayEnd


def work_on(wiring: Wiring, delivery: Delivery) -> None:
    """Do what a message asks for, as far as it goes now. On return it is done with.

    Raises:
        NotFinishedError: It is to come back after a while.
        Exception: It met an error, and is to come back after a pause.
    """
    logger.thread_safe_clear_keys()
    logger.thread_safe_append_keys(message_id=delivery.message_id)
    asked: Asked | None = None
    try:
        asked = _asked(wiring, delivery)
        _do(asked)
    except ContractError as error:
        delivery.dead_letter(wiring.queue, "contract", str(error))
    except WrongSourceError as error:
        delivery.dead_letter(wiring.queue, "wrong_source", str(error))
    except NotFinishedError:
        wiring.erring.pop(delivery.message_id, None)
        raise
    except Exception as error:
        problem = patience.problem_of(error)
        if problem.is_passing:
            logger.warning("met an error", detail=problem.message)
        else:
            logger.exception("met an unexpected error")
        if _is_tried_again(wiring, asked, delivery, problem):
            raise
        _end(wiring, asked, delivery, problem)
    else:
        wiring.erring.pop(delivery.message_id, None)
    finally:
        emit_metrics(asked.request.lane if isinstance(asked, Errand) else None)


def _asked(wiring: Wiring, delivery: Delivery) -> Asked:
    """Return what a message asks for.

    Raises:
        ContractError: It is no message that this service knows, or its window is no plan's.
        WrongSourceError: It is for another exporter.
    """
    if _is_day(delivery.body):
        planned = parse(DayPlanned, delivery.body)
        _check_source(wiring, planned.data.source)
        for window in planned.data.windows:
            _check_window(wiring, window, DayPlanned.__name__)
        return DayEnd(wiring, planned, delivery)
    request = _as_sent(parse(ExportRequested, delivery.body).data, delivery.group_id)
    _check_source(wiring, request.source)
    _check_window(wiring, request.window, ExportRequested.__name__)
    return Errand(wiring, request, delivery)


def _do(asked: Asked) -> None:
    if isinstance(asked, DayEnd):
        logger.thread_safe_append_keys(date=asked.planned.data.date)
        asked.announce()
        return
    logger.thread_safe_append_keys(**log_keys(asked.request))
    _measure_queue_age(asked)
    if asked.request.recounted_at is not None:
        addendum.add(asked)
    else:
        export.advance(asked)


def _is_tried_again(
    wiring: Wiring, asked: Asked | None, delivery: Delivery, problem: patience.Problem
) -> bool:
    """Return whether a message that met an error is given back, to the head of its group."""
    now = wiring.clock()
    if isinstance(asked, DayEnd):
        return now - delivery.sent_at < patience.LONGEST_DAY
    since = wiring.erring.setdefault(delivery.message_id, now)
    return patience.is_tried_again_at_the_head(
        problem, receive_count=delivery.receive_count, lasts=now - since, tries=delivery.tries
    )


def _end(
    wiring: Wiring, asked: Asked | None, delivery: Delivery, problem: patience.Problem
) -> None:
    """Let the messages behind this one go on: send it to their end, or end it."""
    pause = patience.pause(problem, delivery.tries)
    if not isinstance(asked, Errand) or asked.request.recounted_at is not None:
        delivery.dead_letter(wiring.queue, problem.reason, problem.message)
    elif asked.request.lane == "direct":
        direct_lane.hand_over(asked)
    elif pause is None:
        export.give_up(asked, problem)
    else:
        pausing.put_off(asked, wiring.clock() + pause, delivery.tries + 1)
        count("ExportsPutOff")
    wiring.erring.pop(delivery.message_id, None)


def _check_source(wiring: Wiring, source: SourceName) -> None:
    """Make sure that a message is of the source that this exporter was deployed for.

    Raises:
        WrongSourceError: Its permissions, queue and ledger are another's.
    """
    objection = wiring.settings.objection(source)
    if objection is not None:
        raise WrongSourceError(f"asked for {objection}")


def _check_window(wiring: Wiring, window: Window, message: str) -> None:
    """Make sure that a plan can have come to a window: its record would stand for all of its time.

    Raises:
        ContractError: It is longer than any rule's, or not over.
    """
    if not window.can_be_planned(wiring.clock()):
        told = f"data: window {window.in_keys} is longer than a plan's, or not over"
        raise ContractError(message, [told])


class _Typed(Message):
    """As much of any message as says what it is."""

    type: str | None = None


def _is_day(body: str) -> bool:
    try:
        return parse(_Typed, body).type == DayPlanned.TYPE
    except ContractError:
        return False  # whoever reads it as a request says what is wrong


def _as_sent(request: ExportRequestedData, group_id: str) -> ExportRequestedData:
    """Return a request as one for the slot when it was sent to the slot.

    A planner of the first release, which knows no other lane, sends what the ledger has for the
    direct lane there, and does not say so.
    """
    is_slots = group_id == request.source.slot
    return request.model_copy(update={"lane": "slot"}) if is_slots else request


def _measure_queue_age(errand: Errand) -> None:
    """Measure how long a message was in the queue before anybody worked on it."""
    delivery = errand.delivery
    if delivery.receive_count == 1 and not delivery.goes_round:
        age_s = (errand.now() - delivery.sent_at).total_seconds()
        measure("QueueAgeSeconds", MetricUnit.Seconds, max(age_s, 0))
