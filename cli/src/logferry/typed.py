"""Commands of this one that it tells to type: whole, so that they can be pasted as they are."""

import shlex

_OF_NAMES = frozenset({"--log-group", "--stream"})
"""Options that take what may begin with a hyphen, which would be taken for an option itself."""


def words_of(command: str, *words: str) -> list[str]:
    """Return a command's words.

    Args:
        command: Its name, such as ``index rebuild``.
        words: What it is given: of most the configuration's file first, as it was typed.
    """
    typed_words = ["logferry", *command.split()]
    for word in words:
        if word.startswith("-") and typed_words[-1] in _OF_NAMES:
            word = f"{typed_words.pop()}={word}"  # noqa: PLW2901  (in the place of both)
        typed_words.append(word)
    return typed_words


def typed(command: str, *words: str) -> str:
    """Return the same as a shell takes it."""
    return shlex.join(words_of(command, *words))
