"""Options that are whole numbers."""

from collections.abc import Sequence

from cyclopts import Parameter, Token, validators


def whole(least: int, most: int | None = None) -> Parameter:
    """Return how an option that is a whole number is read.

    What is none, such as 2.5, is bad input: cyclopts itself would round it, and take it for 2.

    Args:
        least: Inclusive.
        most: Inclusive; as many as there are if left out.
    """
    return Parameter(converter=_read, validator=validators.Number(gte=least, lte=most))


def _read(_: object, tokens: Sequence[Token]) -> int:
    text = tokens[0].value
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"{text} is no whole number") from error
