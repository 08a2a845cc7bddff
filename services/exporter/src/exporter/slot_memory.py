"""What an environment knows of the account's export tasks, for as long as it lives."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exporter import waiting
from exporter.task import COMPLETED, Task

FRESH = timedelta(seconds=3)
"""For so long a list in which nobody holds the slot is as good as a new one. A task that somebody
else creates meanwhile makes CreateExportTask refuse ours; of our own, this slot's exporter is the
only one that creates any, and forgets the list then."""
FRESH_FOR_TAKEN = timedelta(seconds=10)
"""The same for what the same invocation has taken: until then nobody can have created a task for
it, and the parts of a window are not found at once."""


@dataclass
class SlotMemory:
    """Tasks that have ended, and the newest ones as they were listed last.

    Attributes:
        ended: Tasks of late whose estimates are known as well, the newest last.
    """

    ended: deque[waiting.Ended] = field(default_factory=lambda: deque(maxlen=waiting.REMEMBERED))
    _completed: dict[str, Task] = field(default_factory=dict)
    _listed: list[Task] = field(default_factory=list)
    _listed_at: datetime | None = None
    _taken: tuple[str, datetime] | None = None

    def see(self, tasks: list[Task], at: datetime) -> None:
        """Remember the newest tasks, as they are now."""
        self._listed, self._listed_at = tasks, at
        self.keep(tasks)

    def keep(self, tasks: Sequence[Task]) -> None:
        """Remember those that have completed, which they stay, for whoever asks for them again."""
        ended = {task.task_id: task for task in tasks if task.status == COMPLETED}
        # Others may be reading what is there: parts of a window are worked on side by side.
        kept = list({**self._completed, **ended}.items())
        self._completed = dict(kept[-waiting.REMEMBERED :])

    def completed(self, task_id: str) -> Task | None:
        """Return a task that AWS has said to be completed; None where it was not seen so."""
        return self._completed.get(task_id)

    def seen(
        self, now: datetime, export_id: str, began_at: datetime, *, is_first: bool
    ) -> list[Task] | None:
        """Return the newest tasks, if it was just now that nobody held the slot.

        None where one of them may be the export's and not be listed.

        Args:
            now: The time.
            export_id: Of what has no task as far as its record says.
            began_at: When this invocation began.
            is_first: Whether no delivery before can have created a task for it.
        """
        is_taken = self._taken == (export_id, began_at)
        fresh = FRESH_FOR_TAKEN if is_taken else FRESH
        if self._listed_at is None or abs(now - self._listed_at) > fresh:
            return None
        is_unknown = not is_first and not is_taken
        is_held = any(task.holds_slot for task in self._listed)
        return None if is_unknown or is_held else self._listed

    def take(self, export_id: str, began_at: datetime) -> None:
        """Remember what an invocation that began then has taken, out of what both lanes may."""
        self._taken = (export_id, began_at)

    def forget(self) -> None:
        """Have the next export list the tasks again, as one may be created now."""
        self._listed_at, self._taken = None, None

    def end(self, estimated_bytes: int, took_s: float | None) -> None:
        """Learn from a task that has completed."""
        if took_s:
            self.ended.append(waiting.Ended(estimated_bytes, took_s))

    def outlook(self, estimated_bytes: int) -> waiting.Outlook:
        """Return what to expect of a task; as in `waiting.outlook`."""
        listed = (task.took_s for task in self._listed if task.status == COMPLETED)
        return waiting.outlook(estimated_bytes, list(self.ended), [each for each in listed if each])
