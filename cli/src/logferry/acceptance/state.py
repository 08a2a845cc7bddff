"""How far a run is, in a file: what has been done is not done again."""

import json
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from logferry.acceptance.answer import Answer, Question
from logferry.acceptance.run import Run
from logferry.errors import ConfigError

FORMAT = 1


@dataclass
class State:
    """How far a run is.

    Attributes:
        path: Of its file.
        done: The steps that have been done.
        answers: By the names of the questions.
    """

    path: Path
    run: Run
    done: list[str] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, answer: Answer) -> None:
        """Take an answer down."""
        self.answers[answer.question.name] = answer.as_json()
        self.save()

    def finish(self, step: str) -> None:
        """Take down that a step is done."""
        self.done.append(step)
        self.save()

    def has_answered(self, question: Question) -> bool:
        """Whether a question has been answered, or never can be here."""
        found = self.answers.get(question.name, {})
        return found.get("verdict") in {"as expected", "differs", "cannot be answered here"}

    def save(self) -> None:
        """Write the file, as a whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        run = {**asdict(self.run), "day": self.run.day.isoformat()}
        document = {"format": FORMAT, "run": run, "done": self.done, "answers": self.answers}
        written = self.path.with_suffix(".new")
        text = json.dumps(document, indent=2, ensure_ascii=False)
        written.write_text(f"{text}\n", encoding="utf-8")
        written.replace(self.path)

    @classmethod
    def load(cls, path: Path) -> "State":
        """Read a file that `save` has written.

        Raises:
            ConfigError: It is none.
        """
        try:
            document = json.loads(path.read_text("utf-8"))
            if document["format"] != FORMAT:
                raise ConfigError(str(path), [f"format: {document['format']}: not {FORMAT}"])
            run = Run(**{**document["run"], "day": date.fromisoformat(document["run"]["day"])})
            return cls(path, run, document["done"], document["answers"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(str(path), [f"no state of a run: {error}"]) from error
