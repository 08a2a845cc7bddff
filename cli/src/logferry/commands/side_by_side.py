"""How much is read of an archive at once, and by what."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from logferry.commands.console import under_way
from logferry.pace import Pace
from logferry.place import Place
from logferry.streams_together import streams_together
from logferry.watched import Watched
from logferry.workers import Processes, Threads
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.verification.store import Mapped, Store

_MUCH_BYTES = 4 * 1024 * 1024
"""As they are stored: reading them takes longer than processes take to begin."""

type Reading = tuple[Store, Mapped, Callable[[], None]]
"""What is read, by what, and what ends that."""


@contextmanager
def reading(place: Place, plan: Plan, threads: Threads) -> Iterator[Reading]:
    """Read with processes where nothing has to be waited for, and otherwise with threads."""
    if place.store.readers > 1 or plan.size_bytes < _MUCH_BYTES:
        with under_way("Reading") as show:
            pace = Pace(plan.size_bytes, watch=show, clock=time.monotonic)
            store = Watched(place.store, "bytes", pace, threads)
            yield store, threads.mapped, threads.stop
        return
    processes = Processes.forked(os.process_cpu_count() or 1)
    try:
        with under_way("Reading") as show:
            pace = Pace(plan.size_bytes, watch=show, clock=time.monotonic)
            yield place.store, partial(streams_together, processes, pace.add), processes.stop
    finally:
        processes.stop()
