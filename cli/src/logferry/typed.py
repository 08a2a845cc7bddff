"""Commands of this one that it tells to type: whole, so that they can be pasted as they are."""

import shlex


def words_of(command: str, *words: str) -> list[str]:
    """Return a command's words.

    Args:
        command: Its name, such as ``index rebuild``.
        words: What it is given: of most the configuration's file first, as it was typed.
    """
    return ["logferry", *command.split(), *words]


def typed(command: str, *words: str) -> str:
    """Return the same as a shell takes it."""
    return shlex.join(words_of(command, *words))
