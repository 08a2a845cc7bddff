"""A plan from its request to its PlanCompleted, in as many invocations as it needs."""

from contextlib import closing
from typing import Any

from logferry_contracts.execution_variables import QueueOptions
from logferry_contracts.plan_continued import PlanContinuedData
from logferry_contracts.plan_request import PlanRequestData
from planner.run import continued_run, open_run
from planner.telemetry import logger
from planner.telling import file_of_run
from planner.wiring import Invocation, Wiring
from planner.worklist.file import Worklist


def begin(
    wiring: Wiring,
    request: PlanRequestData,
    queue_options: QueueOptions | None,
    invocation: Invocation,
) -> dict[str, Any]:
    """Plan every due window of a source, as far as the invocation's time goes.

    All that can be refused is looked at before anything is sent.

    Returns:
        PlanCompleted, or ``{"status": "continued", "run_id": ..., "part": 2}``.

    Raises:
        PlanRefusedError: The request has to be mended by a person.
    """
    run, windows = open_run(wiring, request, queue_options, invocation)
    queue_urls = run.queue_urls()
    with file_of_run() as path, closing(Worklist(path, request.source)) as worklist:
        run.list_into(worklist, windows)
        return run.work(worklist, queue_urls)


def go_on(wiring: Wiring, continued: PlanContinuedData, invocation: Invocation) -> dict[str, Any]:
    """Go on with a plan; the answer is as that of `begin`.

    Returns:
        Also ``{"status": "done_already", ...}``, when another delivery of the same event has done
        this part of the plan.

    Raises:
        PlanRefusedError: The plan has too many parts, or is of a profile that is another source's.
    """
    with file_of_run() as path:
        if not wiring.control.files.get(continued.worklist.key, path):
            logger.warning("this part of the plan has been done", worklist=continued.worklist.key)
            return {"status": "done_already", "run_id": continued.run_id, "part": continued.part}
        with closing(Worklist(path, continued.request.source)) as worklist:
            run = continued_run(wiring, continued, invocation, worklist)
            return run.work(worklist, run.queue_urls())
