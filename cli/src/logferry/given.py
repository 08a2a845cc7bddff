"""What was typed after an option, read and refused in one way."""

from datetime import date

from logferry.errors import ConfigError


def date_given(option: str, text: str) -> date:
    """Return a date.

    Args:
        option: As it was typed, such as ``--date``.
        text: What was said for it.

    Raises:
        ConfigError: It is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("the dates", [f"{option} {text}: {error}"]) from error
