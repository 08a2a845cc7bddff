"""A seal's list of leaves: its order, its lines and what the seal says of it."""

import hashlib
import json
from collections.abc import Sequence

import pytest
from contracts.tests.documents import examples

from logferry_contracts.merkle import RootHash, leaf_hash
from logferry_contracts.seal_leaf import Leaf, LeafList, LeafOrderError
from logferry_contracts.statement import Statement
from logferry_contracts.wire import parse

EXAMPLES = examples("accept", "statement")
STATEMENTS = [parse(Statement, each.text) for each in EXAMPLES]
NAMES = ("/a", "/a/b", "/a.b", "a", "a/b", "B", "/#")


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
    added = LeafList()
    for each in leaves:
        added.add(each)
    return added


@pytest.mark.parametrize("statement", STATEMENTS, ids=map(str, EXAMPLES))
def test_a_leaf_has_the_hash_and_the_name_of_the_statements_bytes(statement: Statement) -> None:
    text = statement.text()

    made = Leaf.of(statement, text)

    assert made.leaf_sha256 == hashlib.sha256(b"\0" + text).hexdigest()
    assert made.name.sha256 == hashlib.sha256(text).hexdigest()
    assert made.name.log_group_name == statement.log_group.name
    assert made.name.window == statement.window


def test_a_line_is_canonical_json_and_a_newline() -> None:
    made = leaf("/a")

    assert made.line() == (
        f'{{"leaf_sha256":"{made.leaf_sha256}","statement":"{made.statement}"}}\n'.encode()
    )
    assert parse(Leaf, made.line()) == made


def test_leaves_are_in_the_order_of_names_as_bytes_and_not_of_their_keys() -> None:
    ordered = sorted((leaf(name) for name in NAMES), key=lambda each: each.name.place)

    assert [each.name.log_group_name for each in ordered] == sorted(NAMES)
    assert [each.statement for each in ordered] != sorted(each.statement for each in ordered)
    assert listed(ordered).count == len(NAMES)


def test_the_list_has_the_root_of_the_statements_and_the_digest_of_its_lines() -> None:
    each_once = list({each.log_group.name: each for each in STATEMENTS}.values())
    texts = [each.text() for each in each_once]
    leaves = [Leaf.of(*pair) for pair in zip(each_once, texts, strict=True)]
    order = sorted(range(len(leaves)), key=lambda at: leaves[at].name.place)

    made, lines = LeafList(), b""
    for at in order:
        lines += made.add(leaves[at])

    assert made.root_sha256 == RootHash(texts[at] for at in order).digest().hex()
    assert made.sha256 == hashlib.sha256(lines).hexdigest()
    assert leaf_hash(texts[order[0]]).hex() in json.loads(lines.splitlines()[0]).values()


def test_a_list_of_nothing_has_the_root_of_nothing() -> None:
    assert LeafList().root_sha256 == LeafList().sha256 == hashlib.sha256().hexdigest()


@pytest.mark.parametrize(
    "leaves",
    [
        pytest.param((leaf("/b"), leaf("/a")), id="log groups"),
        pytest.param((leaf("/a", 1, 2), leaf("/a", 0, 1)), id="windows"),
        pytest.param((leaf("/a"), leaf("/a")), id="the same twice"),
        pytest.param((leaf("/a"), leaf("/a", salt="1" * 32)), id="two of one window"),
    ],
)
def test_a_leaf_out_of_order_or_of_the_same_window_is_refused(leaves: tuple[Leaf, Leaf]) -> None:
    with pytest.raises(LeafOrderError, match=r"[ab]/0000.* after .*[ab]/0000"):
        listed(leaves)
