"""A seal's list of leaves: its order, its lines and what the seal says of it."""

import hashlib
from collections.abc import Sequence

import pytest
from contracts.tests.documents import examples

from logferry_contracts.merkle import RootHash
from logferry_contracts.seal_leaf import (
    Leaf,
    LeafList,
    LeafOrderError,
    leaf_data,
    name_sha256,
    place,
)
from logferry_contracts.statement import Statement
from logferry_contracts.wire import parse

EXAMPLES = examples("accept", "statement")
STATEMENTS = [parse(Statement, each.text) for each in EXAMPLES]
NAMES = ("/a", "/a/b", "/a.b", "a", "a/b", "B", "/#")
SALT = "00112233445566778899aabbccddeeff"


def leaf(log_group_name: str, start: int = 0, end: int = 1, salt: str = "0" * 32) -> Leaf:
    statement = STATEMENTS[0].model_copy(
        update={
            "log_group": STATEMENTS[0].log_group.model_copy(update={"name": log_group_name}),
            "window": STATEMENTS[0].window.model_copy(update={"from_ms": start, "to_ms": end}),
            "salt": salt,
        }
    )
    return Leaf.of(statement, statement.text())


def listed(leaves: Sequence[Leaf]) -> LeafList:
    added = LeafList(SALT)
    for each in leaves:
        added.add(each)
    return added


@pytest.mark.parametrize("statement", STATEMENTS, ids=map(str, EXAMPLES))
def test_a_leaf_has_the_name_of_the_statements_bytes(statement: Statement) -> None:
    text = statement.text()

    made = Leaf.of(statement, text)

    assert made.name.sha256 == hashlib.sha256(text).hexdigest()
    assert made.name.log_group_name == statement.log_group.name
    assert made.name.window == statement.window


def test_a_line_is_canonical_json_and_a_newline() -> None:
    made = leaf("/a")

    assert made.line() == f'{{"statement":"{made.statement}"}}\n'.encode()
    assert parse(Leaf, made.line()) == made


def test_a_name_is_hashed_after_the_salt_and_a_leaf_is_that_and_the_statements_hash() -> None:
    made = leaf("/a")
    hashed = hashlib.sha256(bytes.fromhex(SALT) + b"/a").digest()
    data = hashed + bytes.fromhex(made.name.sha256)

    assert name_sha256(SALT, "/a") == hashed
    assert leaf_data(hashed, made.name.sha256) == data
    assert listed([made]).root_sha256 == hashlib.sha256(b"\0" + data).hexdigest()


def test_leaves_are_in_the_order_of_their_names_hashes_which_is_another_for_each_salt() -> None:
    leaves = [leaf(name) for name in NAMES]
    ordered = sorted(leaves, key=lambda each: place(SALT, each.name))
    names = [each.name.log_group_name for each in ordered]

    assert names == sorted(NAMES, key=lambda name: name_sha256(SALT, name))
    assert listed(ordered).count == len(NAMES)
    assert names != sorted(NAMES, key=lambda name: name_sha256("00" * 16, name))


def test_the_list_has_the_root_of_the_leaves_and_the_digest_of_its_lines() -> None:
    each_once = list({each.log_group.name: each for each in STATEMENTS}.values())
    leaves = [Leaf.of(each, each.text()) for each in each_once]
    ordered = sorted(leaves, key=lambda each: place(SALT, each.name))

    made, lines = LeafList(SALT), b""
    for each in ordered:
        lines += made.add(each)

    data = [
        leaf_data(name_sha256(SALT, each.name.log_group_name), each.name.sha256) for each in ordered
    ]
    assert made.root_sha256 == RootHash(data).digest().hex()
    assert made.sha256 == hashlib.sha256(lines).hexdigest()


def test_a_list_of_nothing_has_the_root_of_nothing() -> None:
    nothing = LeafList(SALT)

    assert nothing.root_sha256 == nothing.sha256 == hashlib.sha256().hexdigest()


@pytest.mark.parametrize(
    "leaves",
    [
        pytest.param((leaf("/a"), leaf("/a/b"), leaf("/a")), id="log groups"),
        pytest.param((leaf("/a", 1, 2), leaf("/a", 0, 1)), id="windows"),
        pytest.param((leaf("/a"), leaf("/a")), id="the same twice"),
        pytest.param((leaf("/a"), leaf("/a", salt="1" * 32)), id="two of one window"),
    ],
)
def test_a_leaf_out_of_order_or_of_the_same_window_is_refused(leaves: tuple[Leaf, Leaf]) -> None:
    with pytest.raises(LeafOrderError, match=r"a.*/0000.* does not come after"):
        listed(leaves)
