"""Recordings of AWS, replayed: README.md beside this file."""

import io
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from botocore import xform_name
from botocore.exceptions import ClientError

HERE = Path(__file__).parent
DEVIATIONS = "deviations"
AT_LEAST = 60
"""Steps with an expectation, deviations apart."""
DAY_MS = 86_400_000
EVENTUALLY_S = 60
OF_PASSING = 5
"""How often a recording of states that pass is replayed, each time in another account."""
CODE = "def handler(event, context):\n    return event\n"
_NAME = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Expected:
    """What a YAML tag says of a value."""

    tag: str
    value: str = ""

    def holds(self, actual: Any) -> bool:
        match self.tag:
            case "!absent":
                return actual is None
            case "!not":
                return actual is not None and str(actual) != self.value
            case "!like":
                return re.search(self.value, str(actual)) is not None
            case _:
                return actual is not None


class Loader(yaml.CSafeLoader):
    """Reads our tags."""


for _tag in ("!any", "!absent", "!not", "!like"):
    Loader.add_constructor(_tag, lambda loader, node: Expected(node.tag, node.value))


@dataclass(frozen=True)
class Recording:
    table: str
    name: str
    content: Mapping[str, Any]


def recordings() -> Iterator[Recording]:
    for path in sorted(HERE.glob("*.yaml")):
        for table in yaml.load(path.read_text(), Loader):  # noqa: S506  a safe loader with tags
            for each in table["recordings"]:
                yield Recording(path.stem, each["recording"], {**table, **each})


ALL = list(recordings())


def steps_with_expectations(recording: Recording) -> int:
    return sum("gives" in step or "refuses" in step for step in recording.content["steps"])


def test_the_table_is_as_long_as_it_was():
    replayed = [each for each in ALL if each.table != DEVIATIONS]
    assert sum(map(steps_with_expectations, replayed)) >= AT_LEAST


@pytest.mark.parametrize("recording", ALL, ids=lambda each: f"{each.table}-{each.name}")
def test_every_recording_names_its_source_and_its_date(recording: Recording):
    assert recording.content["source"]
    assert recording.content["date"] or recording.content["at"]
    assert steps_with_expectations(recording)
    if recording.table == DEVIATIONS:
        assert recording.content["aws"]
        assert recording.content["because"]


@pytest.mark.localstack
@pytest.mark.parametrize("recording", ALL, ids=lambda each: f"{each.table}-{each.name}")
def test_the_answers_are_those_of_aws(
    aws: Callable[..., Any], account: str, recording: Recording
) -> None:
    tries = OF_PASSING if recording.content.get("passing") else 1
    accounts = [account, *(str(int(account) + more) for more in range(1, tries))]
    for each in accounts:
        try:
            replay(partial(aws, account=each), recording, variables(each))
        except AssertionError:
            if each == accounts[-1]:
                raise
        else:
            break


def replay(aws: Callable[..., Any], recording: Recording, known: dict[str, Any]) -> None:
    for number, step in enumerate(recording.content["steps"], 1):
        play(aws, step, known, f"step {number}, {step['call']}")


def variables(account: str) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as content:
        content.writestr("app.py", CODE)
    return {
        "account": account,
        "unique": uuid4().hex[:12],
        "zip": code.getvalue(),
        "twenty_kb": "a" * 20 * 1024,
        "long": "a" * (256 * 1024 + 1),
        "now_ms": now_ms,
        "yesterday_ms": now_ms - DAY_MS,
        "ten_days_ago_ms": now_ms - 10 * DAY_MS,
        "fifteen_days_ago_ms": now_ms - 15 * DAY_MS,
        "tomorrow_ms": now_ms + DAY_MS,
    }


def play(aws: Callable[..., Any], step: Mapping[str, Any], known: dict[str, Any], at: str) -> None:
    """Make a step's call, compare, and keep what later steps need."""
    deadline = time.monotonic() + (EVENTUALLY_S if step.get("eventually") else 0)
    while True:
        answer = call(aws, step, known)
        wrong = differences(step, answer, known)
        if not wrong or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert not wrong, f"{at}: {wrong}\n{answer}"
    for name, path in step.get("keep", {}).items():
        known[name] = member(answer, path)


def call(aws: Callable[..., Any], step: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    service, operation = step["call"].split(".")
    method = getattr(aws(service), xform_name(operation))
    try:
        return method(**filled(step.get("with", {}), known))
    except ClientError as error:
        return error.response


def differences(step: Mapping[str, Any], answer: Any, known: Mapping[str, Any]) -> list[str]:
    error = answer.get("Error")
    if "refuses" not in step and error and "gives" not in step:
        return ["the step that prepares is refused"]
    if "refuses" in step:
        wanted = {"Code": step["refuses"], "Message": Expected("!any")}
        if "saying" in step:
            wanted["Message"] = Expected("!like", re.escape(str(filled(step["saying"], known))))
        return list(differing(wanted, error or {}, "Error"))
    return list(differing(filled(step.get("gives", {}), known), answer, "answer"))


def differing(wanted: Any, actual: Any, where: str) -> Iterator[str]:
    """Say where an answer is not what was recorded."""
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        for name, value in wanted.items():
            yield from differing(value, actual.get(name), f"{where}.{name}")
    elif isinstance(wanted, list) and isinstance(actual, list) and len(wanted) == len(actual):
        for place, (one, other) in enumerate(zip(wanted, actual, strict=True)):
            yield from differing(one, other, f"{where}.{place}")
    elif isinstance(wanted, Expected):
        if not wanted.holds(actual):
            yield f"{where} is {actual!r} instead of {wanted.tag} {wanted.value}"
    elif wanted != actual and not (wanted == [] and actual is None):
        yield f"{where} is {actual!r} instead of {wanted!r}"


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """Put what is known in the place of its names."""
    if isinstance(value, Mapping):
        return {name: filled(each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    if isinstance(value, Expected):
        return Expected(value.tag, str(filled(value.value, known)))
    if not isinstance(value, str):
        return value
    if alone := _NAME.fullmatch(value):
        return known[alone[1]]
    return _NAME.sub(lambda found: str(known[found[1]]), value)


def member(answer: Any, path: str) -> Any:
    """A member by its path, such as `Messages.0.ReceiptHandle`."""
    return reduce(
        lambda value, name: value[int(name) if name.isdigit() else name], path.split("."), answer
    )
