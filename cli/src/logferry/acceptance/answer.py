"""What was expected, what was seen, and what it means."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

type Verdict = Literal[
    "as expected", "differs", "cannot be answered here", "not answered", "not asked", "failed"
]


class NoAnswer(Exception):  # noqa: N818  (no error: an answer of its own)
    """There is no answer; the message says why.

    Attributes:
        verdict: What it counts as.
        details: What was seen all the same.
    """

    verdict: ClassVar[Verdict]

    def __init__(self, why: str, details: dict[str, str] | None = None) -> None:
        """Say why there is none."""
        super().__init__(why)
        self.details = details or {}


class Unanswerable(NoAnswer):
    """What is asked cannot answer, as was seen by something that AWS would have refused or done."""

    verdict = "cannot be answered here"


class NotYet(NoAnswer):
    """AWS has not said it in the time that there was: the run can be resumed later."""

    verdict = "not answered"


class NotAsked(NoAnswer):
    """It needs what the run was not given: says which option asks it."""

    verdict = "not asked"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing that our code takes for granted.

    Attributes:
        name: Such as ``export-range``.
        question: As a person would ask it.
        expected: The answer that our code expects.
        relies: The file that relies on it, from the repository's root.
        means: What another answer means, and what to change then.
    """

    name: str
    question: str
    expected: str
    relies: str
    means: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was seen.

    Attributes:
        seen: In the words of `Question.expected`; why there is none where there is none.
        details: What else was seen, such as AWS's own words.
    """

    question: Question
    verdict: Verdict
    seen: str
    details: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, question: Question, seen: str, details: dict[str, str] | None = None) -> Self:
        """Compare what was seen with what is expected."""
        verdict: Verdict = "as expected" if seen == question.expected else "differs"
        return cls(question=question, verdict=verdict, seen=seen, details=details or {})

    @property
    def is_amiss(self) -> bool:
        """Whether somebody has to look at it."""
        return self.verdict in {"differs", "failed"}

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "name": self.question.name,
            "question": self.question.question,
            "expected": self.question.expected,
            "seen": self.seen,
            "verdict": self.verdict,
            "means": self.question.means if self.is_amiss else "",
            "relies": self.question.relies,
            "details": self.details,
        }
