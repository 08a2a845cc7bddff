"""A probe: one question, and how to ask it."""

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from logferry.acceptance.answer import Answer, NoAnswer, Question, Verdict
from logferry.acceptance.bench import Bench, code_of
from logferry.aws_errors import AWS_ERRORS

NOT_IMPLEMENTED = 501

type Seen = tuple[str, dict[str, str]]
"""What was seen, in the words of `Question.expected`, and details such as AWS's own words."""


@dataclass(frozen=True)
class Probe:
    """One question, and how to ask it."""

    question: Question
    ask: Callable[[Bench], Seen]

    def answer(self, bench: Bench) -> Answer:
        """Ask, and compare; what goes wrong is an answer too, so that the next one is asked."""
        try:
            return Answer.of(self.question, *self.ask(bench))
        except NoAnswer as none:
            return self._without(none.verdict, str(none), none.details)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status == NOT_IMPLEMENTED:
                said = f"{error.operation_name} is not implemented here (status {status})"
                return self._without("cannot be answered here", said)
            return self._without("failed", f"{error.operation_name}: {code_of(error)}: {error}")
        except AWS_ERRORS as error:
            return self._without("failed", str(error))

    def _without(self, verdict: Verdict, why: str, details: dict[str, str] | None = None) -> Answer:
        return Answer(question=self.question, verdict=verdict, seen=why, details=details or {})
