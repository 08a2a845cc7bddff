"""Where seals, lists of leaves and statements are, and what their keys say."""

import re

import pytest
from contracts.tests import corpus
from contracts.tests.documents import newest_schema
from hypothesis import given
from hypothesis import strategies as st

from logferry_contracts.chain import ChainName
from logferry_contracts.seal_key import (
    SEALS,
    StatementName,
    chain_of,
    chain_prefix,
    leaves_key,
    seal_key,
    seals_prefix,
    sequence_of,
    statements_prefix,
)
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window

SOURCE = SourceName(profile="shop-prod", account_id="111122223333", region="eu-central-1")
CHAIN = ChainName.of(SOURCE)
WINDOW = Window(from_ms=1795215600000, to_ms=1795302000000)
DIGEST = "ab" * 32
LONGEST_KEY = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

LAST_MS = 253_402_300_799_999
WINDOWS = (
    st.tuples(st.integers(0, LAST_MS), st.integers(0, LAST_MS))
    .map(sorted)
    .filter(lambda edges: edges[0] < edges[1])
    .map(lambda edges: Window(from_ms=edges[0], to_ms=edges[1]))
)
NAMES = st.builds(
    StatementName,
    corpus.log_group_names(),
    WINDOWS,
    st.text("0123456789abcdef", min_size=64, max_size=64),
)


def test_all_of_a_chain_lies_together_where_no_profile_can_be() -> None:
    name = StatementName("/aws/lambda/cart", WINDOW, DIGEST)

    keys = [seal_key(CHAIN, 42), leaves_key(CHAIN, DIGEST), name.key(CHAIN)]

    prefix = "!seals/111122223333/eu-central-1"
    assert keys == [
        f"{prefix}/seals/0000000042.json",
        f"{prefix}/leaves/{DIGEST}.jsonl",
        f"{prefix}/statements/aws/lambda/cart/001795215600000-001795302000000/{DIGEST}.json",
    ]
    assert chain_prefix(CHAIN) == f"{prefix}/"
    profile = newest_schema("ledger-record")["$defs"]["Profile"]["pattern"]
    assert not re.match(profile, SEALS[0])


def test_a_chain_goes_on_when_its_source_is_renamed() -> None:
    assert ChainName.of(SOURCE.model_copy(update={"profile": "store"})) == CHAIN


def test_a_key_says_of_which_chain_it_is() -> None:
    for key in (chain_prefix(CHAIN), seal_key(CHAIN, 1), leaves_key(CHAIN, DIGEST)):
        assert chain_of(key) == CHAIN


@pytest.mark.parametrize(
    "key",
    [
        *("", SEALS, chain_prefix(CHAIN)[:-1], chain_prefix(CHAIN)[1:], f"x/{chain_prefix(CHAIN)}"),
        "!seals/11112222333/eu-central-1/",
        "!seals/111122223333/EU-CENTRAL-1/",
        "!seals/11112222333٣/eu-central-1/",
        "shop-prod/!/seals/111122223333/eu-central-1/",
    ],
)
def test_what_somebody_else_has_put_there_is_of_no_chain(key: str) -> None:
    with pytest.raises(ValueError, match="not the key of a seal"):
        chain_of(key)


@given(st.integers(1, 9_999_999_999), st.integers(1, 9_999_999_999))
def test_keys_of_seals_are_in_the_order_of_the_chain_and_say_their_sequence(
    one: int, other: int
) -> None:
    assert sequence_of(CHAIN, seal_key(CHAIN, one)) == one
    assert (seal_key(CHAIN, one) < seal_key(CHAIN, other)) == (one < other)


@pytest.mark.parametrize(
    "key",
    [
        *("", seals_prefix(CHAIN), seal_key(CHAIN, 0), seal_key(CHAIN, 1)[:-1]),
        seal_key(CHAIN, 1) + "\n",
        seal_key(CHAIN, 10**10),
        seal_key(CHAIN, 1).replace("/0000000001", "/1"),
        seal_key(CHAIN, 1).replace("1.json", "٣.json"),
        seal_key(CHAIN, 1).replace("seals/0", "seals/old/0"),
        seal_key(CHAIN.model_copy(update={"region": "eu-central-2"}), 1),
        leaves_key(CHAIN, DIGEST),
    ],
)
def test_what_is_no_seal_has_no_sequence(key: str) -> None:
    with pytest.raises(ValueError, match="not the key of a seal of 111122223333/eu-central-1"):
        sequence_of(CHAIN, key)


@given(NAMES)
def test_the_key_of_a_statement_says_of_which_log_group_and_window_it_is(
    name: StatementName,
) -> None:
    assert StatementName.parse(str(name)) == name
    assert name.key(CHAIN) == statements_prefix(CHAIN) + str(name)
    assert name.key(CHAIN).startswith(statements_prefix(CHAIN, name.log_group_name))
    assert re.fullmatch(newest_schema("seal-leaf")["properties"]["statement"]["pattern"], str(name))


@given(NAMES, NAMES)
def test_no_two_statements_share_a_key(one: StatementName, other: StatementName) -> None:
    assert (one.key(CHAIN) == other.key(CHAIN)) == (one == other)


def test_the_longest_key_is_one_that_s3_takes() -> None:
    longest = StatementName("a" * 512, WINDOW, DIGEST)

    assert len(longest.key(CHAIN)) < LONGEST_KEY


@pytest.mark.parametrize(
    "name",
    [
        *("", "x", f"{DIGEST}.json", f"001795215600000-001795302000000/{DIGEST}.json"),
        f"a/1795215600000-1795302000000/{DIGEST}.json",
        f"a/001795215600000-001795302000000/{DIGEST[1:]}.json",
        f"a/001795215600000-001795302000000/{DIGEST.upper()}.json",
        f"a/001795215600000-001795302000000/{DIGEST}.json\n",
        f"a/001795302000000-001795215600000/{DIGEST}.json",  # ends before it starts
        f"a/001795302000000-999999999999999/{DIGEST}.json",  # after the year 9999
    ],
)
def test_what_is_no_statement_has_no_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"not the name of a statement|Window"):
        StatementName.parse(name)
