"""Environment variables: what a service's stack tells its function, read once at cold start."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Self, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from logferry_contracts.source import BucketName


class SettingsError(Exception):
    """The environment is unusable: page. Every invocation fails until somebody mends it."""


@dataclass(frozen=True)
class Number:
    """A variable of decimal digits.

    Attributes:
        least: Inclusive.
        most: Inclusive.
        unit: The setting is so many of it; None for the number itself.
    """

    least: int
    most: int
    unit: timedelta | None = None

    def __str__(self) -> str:
        return f"a number from {self.least} to {self.most}"

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        within = core_schema.int_schema(ge=self.least, le=self.most)
        return core_schema.no_info_wrap_validator_function(self._read, within)

    def _read(self, value: Any, within: Callable[[str], int]) -> int | timedelta:
        if not isinstance(value, str):  # a setting already, as tests make them
            return cast("int | timedelta", value)
        if not re.fullmatch(r"[0-9]{1,16}", value):
            raise ValueError("not of digits")
        number = within(value)
        return number if self.unit is None else number * self.unit


def _shortened(code_key: str) -> str:
    """Return a zip's version and the beginning of its hash; of another key, the key itself."""
    key = re.fullmatch(r"[^/]+/([^/]+-[0-9a-f]{12})[0-9a-f]{52}\.zip", code_key)
    return key[1] if key else code_key


def _standard(queue_url: str) -> str:
    if queue_url.endswith(".fifo"):
        raise ValueError("a FIFO queue")
    return queue_url


Bucket = Annotated[BucketName, Field(description="a bucket name")]
TopicArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$",
        description="the ARN of a standard SNS topic",
    ),
]
QueueUrl = Annotated[
    str,
    Field(pattern=r"^https?://\S+$", description="the URL of a standard SQS queue"),
    AfterValidator(_standard),
]
FifoQueueUrl = Annotated[
    str, Field(pattern=r"^https?://\S+\.fifo$", description="the URL of a FIFO queue")
]
Artifact = Annotated[str, AfterValidator(_shortened)]
"""The key of a zip; the setting is it in short, such as ``0.2.0-1a2b3c4d5e6f``."""


class Environment(BaseModel):
    """Settings. The variable of each has its name, in capitals, unless it says another one.

    What a variable has to be is said by the setting's `Number` or description. Where it may be
    absent, the description is that of the whole: ``Annotated[X | None, Field(description=...)]``.
    """

    model_config = ConfigDict(frozen=True, alias_generator=str.upper, populate_by_name=True)

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Return the fields by their variables' names."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as an absent one.

        Raises:
            SettingsError: Variables are missing or malformed; names all of them.
        """
        known = cls.variables()
        try:
            return cls.model_validate({name: env[name] for name in known if env.get(name)})
        except ValidationError as error:
            wrong = [str(problem["loc"][0]) for problem in error.errors()]
            problems = (
                f"{name} is not {rule(known[name])}: {env.get(name, '')!r}" for name in wrong
            )
            raise SettingsError("; ".join(problems)) from error


def rule(variable: FieldInfo) -> str:
    """Return what a variable has to be, such as ``a number from 1 to 400``."""
    number = next((each for each in variable.metadata if isinstance(each, Number)), None)
    return str(number or variable.description)
