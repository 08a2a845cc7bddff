"""What was checked already, in a file, so that a check which was stopped goes on where it was.

A line of JSON says what is checked, and one more each seal that was found to be in order. What was
found wrong or disposed of, or could not be checked, has none: it is looked at, and told, again.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from logferry.errors import ConfigError


@dataclass(frozen=True)
class Task:
    """What is checked.

    Attributes:
        archive: Where it is.
        level: As `Verifier` takes it.
        sample: The percentage of statements that are looked at.
    """

    archive: str
    level: str
    sample: float


class Checked(NamedTuple):
    """A seal that was in order.

    Attributes:
        archive: Where it is: of several, two may have the same chain.
        sha256: Of its envelope.
        later_sha256: Of the newest seal of the kind ``later`` of its chain, as those have the last
            word on what it has sealed; None where there is none.
    """

    archive: str
    chain: str
    sequence: int
    sha256: str
    later_sha256: str | None


class Progress:
    """What was checked of one task; kept in a file where there is one."""

    def __init__(self, path: Path | None, task: Task, seed: str) -> None:
        """Read what the file says, or begin it.

        Args:
            path: None to remember nothing after this.
            task: What is to be checked.
            seed: By which the sample is drawn; that of the file counts where there is one.

        Raises:
            ConfigError: The file is of another task, or is none, or cannot be written.
        """
        self.seed = seed
        self._done: set[Checked] = set()
        self._path = path
        if path is None:
            return
        try:
            if path.exists():
                self._read(path, task)
            else:
                self._write({"task": asdict(task), "seed": seed})
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise ConfigError(str(path), [f"not a file of --resume: {error!r}"]) from error

    @property
    def is_kept(self) -> bool:
        """Whether it is there after this."""
        return self._path is not None

    @property
    def is_begun(self) -> bool:
        """Whether anything was checked before."""
        return bool(self._done)

    def __contains__(self, checked: Checked) -> bool:
        return checked in self._done

    def add(self, checked: Checked) -> None:
        """Remember one more.

        Raises:
            ConfigError: It could not be written.
        """
        if checked in self._done:
            return
        self._done.add(checked)
        try:
            self._write(checked._asdict())
        except OSError as error:
            raise ConfigError(str(self._path), [f"cannot be written: {error}"]) from error

    def _read(self, path: Path, task: Task) -> None:
        first, *lines = path.read_text(encoding="utf-8").strip().splitlines()
        head = json.loads(first)
        if Task(**head["task"]) != task:
            told = f"it is of another check, {head['task']}: name another file, or remove it"
            raise ConfigError(str(path), [told])
        self.seed = head["seed"]
        for line in lines:
            try:
                self._done.add(Checked(**json.loads(line)))
            except (ValueError, TypeError, RecursionError):
                continue  # it was cut off while it was written

    def _write(self, line: dict[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps(line)}")
