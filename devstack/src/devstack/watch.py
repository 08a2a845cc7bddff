"""Follow a run by its events alone, as a team that subscribes to them does."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from logferry_contracts.day_completed import DayCompleted
from logferry_contracts.day_sealed import DaySealed
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.object_secured import ObjectSecured
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.wire import parse


@dataclass
class Watch:
    """What the events have said so far; an event that comes twice counts once.

    Attributes:
        plans: By profile.
        completed: ExportCompleted by event id.
        failed: ExportFailed by event id.
        days: DayCompleted by event id.
        sealed: DaySealed by event id.
        held: ``(key, version id)`` of the objects that are on hold.
        deliveries: How many messages there were, repeated ones included.
    """

    plans: dict[str, PlanCompleted] = field(default_factory=dict)
    completed: dict[str, ExportCompleted] = field(default_factory=dict)
    failed: dict[str, ExportFailed] = field(default_factory=dict)
    days: dict[str, DayCompleted] = field(default_factory=dict)
    sealed: dict[str, DaySealed] = field(default_factory=dict)
    held: set[tuple[str, str]] = field(default_factory=set)
    deliveries: int = 0

    def take(self, body: str) -> str:
        """Take one message into account; return a line that says what it said.

        Raises:
            ContractError: The message breaks its contract.
        """
        self.deliveries += 1
        return _TAKERS[json.loads(body)["type"]](self, body)

    def _plan(self, body: str) -> str:
        event = parse(PlanCompleted, body)
        data = event.data
        self.plans[data.source.profile] = event
        skipped = ", ".join(f"{n} {reason}" for reason, n in sorted(data.skipped.items()))
        return (
            f"{data.source.profile}: {data.found} log groups, {data.requested} exports requested"
            f"{f', skipped: {skipped}' if skipped else ''}"
        )

    def _completed(self, body: str) -> str:
        event = parse(ExportCompleted, body)
        data = event.data
        self.completed[event.id] = event
        return (
            f"{data.source.profile}: {data.log_group_name} is in the archive, "
            f"objects: {data.manifest.object_count}, bytes: {data.manifest.total_bytes:,}"
        )

    def _failed(self, body: str) -> str:
        event = parse(ExportFailed, body)
        data = event.data
        self.failed[event.id] = event
        return f"{data.source.profile}: {data.log_group_name} FAILED, {data.reason}: {data.mend}"

    def _day(self, body: str) -> str:
        event = parse(DayCompleted, body)
        data = event.data
        self.days[event.id] = event
        return (
            f"{data.source.profile}: {data.date} is complete, "
            f"in the archive: {data.completed}, failed: {data.failed}"
        )

    def _sealed(self, body: str) -> str:
        event = parse(DaySealed, body)
        self.sealed[event.id] = event
        sealed = event.data.sealed
        if sealed is None:
            return f"{event.data.chain}: another key signs from now on"
        return (
            f"{', '.join(sealed.profiles)}: {sealed.date} is sealed, "
            f"log groups: {sealed.leaf_count}, events: {sealed.events:,}"
        )

    def _secured(self, body: str) -> str:
        data = parse(ObjectSecured, body).data
        if data.legal_hold == "ON":
            self.held.add((data.key, data.version_id))
        profile, *_, stream, _ = data.key.split("/")
        encryption = data.encryption.replace("_", " ")
        return f"{profile}: {stream} is encrypted ({encryption}), hold {data.legal_hold}"

    def completed_of(self, profile: str) -> int:
        """Return how many of a source's exports are in the archive."""
        return sum(e.data.source.profile == profile for e in self.completed.values())


_TAKERS: dict[str, Callable[[Watch, str], str]] = {
    PlanCompleted.TYPE: Watch._plan,  # noqa: SLF001  (this module's own)
    ExportCompleted.TYPE: Watch._completed,  # noqa: SLF001
    ExportFailed.TYPE: Watch._failed,  # noqa: SLF001
    DayCompleted.TYPE: Watch._day,  # noqa: SLF001
    DaySealed.TYPE: Watch._sealed,  # noqa: SLF001
    ObjectSecured.TYPE: Watch._secured,  # noqa: SLF001
}
