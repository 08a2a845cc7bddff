"""What CloudWatch Logs takes as a message and as a name: every reader is tested on all of it.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_InputLogEvent.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
"""

import string

from hypothesis import strategies as st

MESSAGES = (
    "8=FIX.4.4\x019=65\x0135=D\x0149=BUY\x0110=128\x01",
    '{"level": "error", "quoted": "a \\"b\\" \\\\ \\n \\x01"}',
    'Traceback (most recent call last):\n  File "x", line 1\n\n\tValueError: \'|",;',
    *("\n", "ends with newlines\n\n", "\nbegins with one", " \t spaces at both ends \t ", " "),
    *("NULL", "null", "\\N", "#no comment", "//", '"', "'", '""', '"opened', "=", "\\", "\\n"),
    "".join(map(chr, range(1, 10))) + "".join(map(chr, [11, 12, *range(14, 33), 127])),
    "nul \0 in it",
    "line ends of others: \u0085 \u2028 \u2029 \x0b \x0c \x1c \x1d \x1e",
    "\ufeffa byte order mark, \ufffe and \uffff are none, ü é 한 \U0001f600 \U0010ffff",
    "2026-02-30T00:00:00.000Z no day\n2026-13-01T00:00:00.000Z no month",
    "several\n2026-11-22T24:00:00.000Z no hour\n2026-11-22T23:59:60.000Z no second",
    "several\n0000-01-01T00:00:00.000Z no year\n2026-11-22T06:00:00.000Z",
    "several\n2026-11-22T06:00:00.000Zno blank\n2026-11-22 06:00:00.000Z \n2026-11-22T06:00:00Z ",
    "2026-11-22T06:00:00.000Z a line that begins as an event does is taken for one",
    "long " * 50_000,
)
"""Without carriage returns, which DuckDB and Athena take for newlines."""

WITH_CR = ("ends with one\r", "a\r\nb\r\n", "50 %\r100 %", "\r", "\r\r\n", "\n\r", "\r\n")

_NAMES = st.characters(exclude_categories=["Cs"], exclude_characters=":*")


def messages(*, cr: bool = True) -> st.SearchStrategy[str]:
    """Return a strategy of messages: at least a character, and no half of a surrogate pair."""
    excluded = "" if cr else "\r"
    pieces = st.one_of(
        st.sampled_from((*MESSAGES[:-1], *(WITH_CR if cr else ()))),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters=excluded)),
        st.sampled_from(["\n", "\n\n", " ", "2026-11-22T06:00:00.000Z ", "2", "\x01", '"']),
    )
    return st.lists(pieces, min_size=1, max_size=4).map("".join).filter(bool)


STREAM_NAMES = (
    *("web/1", "[$LATEST]3f2a", "2026/11/22/[1]ab", "a=b", "day=2026-11-22", "year=2026/month=11"),
    *(
        "_internal",
        ".hidden",
        "..",
        "a b",
        "ü 100%",
        "%2F",
        "+",
        "#",
        "?",
        "{a,b}",
        "'",
        '"',
        "a\nb",
    ),
    *("C\\logs", "~", "$HOME", "a|b", "a&b", "\x01", "\x7f", "000000.gz", "x.gz", "\u2028", "-"),
)


def stream_names() -> st.SearchStrategy[str]:
    """Return a strategy of log streams' names: 1 to 512 characters, no colon or asterisk."""
    return st.sampled_from(STREAM_NAMES) | st.text(_NAMES, min_size=1, max_size=512)


LOG_GROUP_NAMES = (
    *("/aws/lambda/orders", "aws/lambda/orders", "/var/log/messages", "var/log/messages"),
    *(
        "/",
        "//",
        "//x",
        "x/",
        "/x/",
        "a//b",
        "/a//b",
        ".",
        "..",
        "/.",
        "/..",
        "../x",
        "#",
        "_",
        "-",
    ),
    *(
        "a",
        "/a",
        "RDSOSMetrics",
        "/aws/rds/instance/db#1/error",
        "a" * 512,
        "/" * 512,
        "/" + "a" * 511,
    ),
)


def log_group_names() -> st.SearchStrategy[str]:
    """Return a strategy of log groups' names: 1 to 512 of a few characters."""
    characters = string.ascii_letters + string.digits + ".-_/#"
    return st.sampled_from(LOG_GROUP_NAMES) | st.text(characters, min_size=1, max_size=512)
