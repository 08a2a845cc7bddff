"""RFC 8785, by its own examples and those of its author's reference implementations."""

import json
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logferry_contracts import json_text
from logferry_contracts.canonical_json import (
    LARGEST_INTEGER,
    NotCanonicalError,
    canonical_json,
)

PUBLISHED = {
    # https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2, without its fractions.
    "the RFC's literals and strings": (
        r"""{"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
             "literals": [null, true, false]}""",
        """{"literals":[null,true,false],"string":"€$\\u000f\\nA'B\\"\\\\\\\\\\"/"}""",
    ),
    # https://www.rfc-editor.org/rfc/rfc8785#section-3.2.3
    "the RFC's order of names": (
        r"""{"\u20ac": "Euro Sign", "\r": "Carriage Return",
             "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
             "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
             "\u00f6": "Latin Small Letter O With Diaeresis"}""",
        (
            '{"\\r":"Carriage Return","1":"One","\u0080":"Control",'
            '"\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign",'
            '"\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
        ),
    ),
    # github.com/cyberphone/json-canonicalization, testdata/input and testdata/output.
    "structures.json": (
        r"""{"1": {"f": {"f": "hi","F": 5} ,"\n": 56.0}, "10": { }, "": "empty", "a": { },
             "111": [ { } ], "A": { }}""",
        r"""{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{}],"A":{},"a":{}}""",
    ),
    "weird.json": (
        r"""{"\u20ac": "Euro Sign", "1": "One", "\u0080": "Control\u007f",
             "\ud83d\ude02": "Smiley", "\u00f6": "Latin Small Letter O With Diaeresis",
             "\ufb33": "Hebrew Letter Dalet With Dagesh", "</script>": "Browser Challenge"}""",
        (
            '{"1":"One","</script>":"Browser Challenge","\u0080":"Control\u007f",'
            '"\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign",'
            '"\U0001f602":"Smiley","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
        ),
    ),
    "french.json": (
        """{"peach": "This sorting order", "péché": "is wrong according to French",
            "pêche": "but canonicalization MUST", "sin":   "ingnore locale"}""",
        (
            '{"peach":"This sorting order","péché":"is wrong according to French",'
            '"pêche":"but canonicalization MUST","sin":"ingnore locale"}'
        ),
    ),
}


@pytest.mark.parametrize(("text", "expected"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_published_example_is_written_as_published(text, expected):
    assert canonical_json(json.loads(text)).decode() == expected


# The integers of https://www.rfc-editor.org/rfc/rfc8785#appendix-B that all readers share.
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (float(LARGEST_INTEGER), "9007199254740991"),
        (-LARGEST_INTEGER, "-9007199254740991"),
        (1e15, "1000000000000000"),
        (56.0, "56"),
        (1_795_651_200_000, "1795651200000"),
    ],
)
def test_an_integer_is_written_with_all_its_digits(number, text):
    assert canonical_json(number).decode() == text


@pytest.mark.parametrize(
    "number",
    [
        LARGEST_INTEGER + 1,
        -LARGEST_INTEGER - 1,
        10**400,
        1e30,
        4.5,
        2e-3,
        5e-324,
        float("nan"),
        float("inf"),
        float("-inf"),
    ],
)
def test_a_number_that_readers_could_differ_about_is_refused_with_its_place(number):
    with pytest.raises(NotCanonicalError, match=r"^\$\.objects\[1\]\.size: .* as a string$"):
        canonical_json({"objects": [{}, {"size": number}]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("\ud800", r"\$: '\\ud800' is no Unicode"),
        ({"a": ["\udfff"]}, r"\$\.a\[0\]: "),
        ({"\udead": 1}, r"\$ has a name: "),
        ({1: "a"}, r"\$ has a name: 1 is no text"),
        (b"bytes", r"\$: b'bytes' is no JSON"),
        ({"a": {1, 2}}, r"\$\.a: \{1, 2\} is no JSON"),
    ],
)
def test_what_json_has_not_is_refused_with_its_place(value, message):
    with pytest.raises(NotCanonicalError, match=f"^{message}"):
        canonical_json(value)


def test_what_is_nested_too_deeply_is_refused():
    value: list = []  # type: ignore[type-arg]
    for _ in range(100_000):
        value = [value]

    with pytest.raises(NotCanonicalError, match="nested too deeply"):
        canonical_json(value)


def test_a_value_out_of_an_enumeration_is_written_as_its_text():
    class Outcome(StrEnum):
        ARCHIVED = "archived"

    assert canonical_json({Outcome.ARCHIVED: Outcome.ARCHIVED}) == b'{"archived":"archived"}'


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
)


@given(value=values)
def test_what_is_written_says_the_same_and_is_written_alike_again(value):
    text = canonical_json(value)

    assert json_text.read(text) == value
    assert canonical_json(json_text.read(text)) == text


@given(value=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 9)))
def test_the_order_in_which_names_were_given_does_not_show(value):
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)
