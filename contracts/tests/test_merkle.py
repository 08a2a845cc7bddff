"""RFC 6962's trees, by vectors that other implementations have, and by the RFC's own recursion."""

import hashlib
import tracemalloc
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logferry_contracts.digest import sha256_of_each, sha256_of_pairs
from logferry_contracts.merkle import (
    ProofError,
    RootHash,
    check_inclusion,
    inclusion_proof,
    leaf_hash,
)

# Leaves, roots and audit paths of google/certificate-transparency, cpp/merkletree/
# merkle_tree_test.cc and merkle_verifier_test.cc, which other implementations have taken over.
LEAVES = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
OTHER = hashlib.sha256(b"another").digest()


def leaves(size):
    return [f"leaf {number}".encode() for number in range(size)]


def mth(some):
    """The RFC's recursive definition of the Merkle tree hash, word by word."""
    if not some:
        return hashlib.sha256(b"").digest()
    if len(some) == 1:
        return hashlib.sha256(b"\x00" + some[0]).digest()
    k = 1
    while k * 2 < len(some):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(some[:k]) + mth(some[k:])).digest()


def path(index, some):
    """The RFC's recursive definition of the audit path."""
    if len(some) == 1:
        return []
    k = 1
    while k * 2 < len(some):
        k *= 2
    if index < k:
        return [*path(index, some[:k]), mth(some[k:])]
    return [*path(index - k, some[k:]), mth(some[:k])]


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_the_root_of_the_published_leaves_is_the_published_one(size):
    assert RootHash(LEAVES[:size]).digest().hex() == ROOTS[size]


def test_the_hashes_of_leaves_are_enough_for_the_root():
    root = RootHash()
    for each in LEAVES:
        root.add_hash(leaf_hash(each))

    assert (root.digest().hex(), root.size) == (ROOTS[-1], len(LEAVES))


@pytest.mark.parametrize(("index", "size", "hashes"), PATHS)
def test_the_proof_of_a_published_leaf_is_the_published_one(index, size, hashes):
    proof = inclusion_proof([leaf_hash(leaf) for leaf in LEAVES[:size]], index)

    assert [each.hex() for each in proof] == hashes
    root = bytes.fromhex(ROOTS[size])
    check_inclusion(LEAVES[index], index=index, size=size, path=proof, root=root)


@pytest.mark.parametrize("size", [*range(1, 66), 127, 128, 129, 255, 256, 257, 299, 300])
def test_every_leaf_of_a_tree_is_proven(size):
    hashes, root = [leaf_hash(leaf) for leaf in leaves(size)], RootHash(leaves(size)).digest()
    for index, leaf in enumerate(leaves(size)):
        proof = inclusion_proof(hashes, index)
        check_inclusion(leaf, index=index, size=size, path=proof, root=root)


@given(some=st.lists(st.binary(max_size=8), min_size=1, max_size=40), data=st.data())
def test_roots_and_proofs_are_those_of_the_definition(some, data):
    index = data.draw(st.integers(0, len(some) - 1))

    assert RootHash(some).digest() == mth(some)
    assert inclusion_proof([leaf_hash(leaf) for leaf in some], index) == path(index, some)


trees = st.integers(1, 300).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


@cache
def tree_of(size):
    some = leaves(size)
    return some, [leaf_hash(leaf) for leaf in some], RootHash(some).digest()


def proof_of(size, index):
    some, hashes, root = tree_of(size)
    path = inclusion_proof(hashes, index)
    return {"leaf": some[index], "index": index, "size": size, "path": path, "root": root}


def fails(leaf, **proof):
    with pytest.raises(ProofError):
        check_inclusion(leaf, **proof)


@given(tree=trees, leaf=st.binary(max_size=20))
def test_no_other_leaf_is_proven(tree, leaf):
    fails(**proof_of(*tree) | {"leaf": leaf})


@given(tree=trees, data=st.data())
def test_no_leaf_is_proven_at_another_place(tree, data):
    proof = proof_of(*tree)
    index = data.draw(st.integers(-2, 310).filter(lambda other: other != proof["index"]))

    fails(**proof | {"index": index})


@given(tree=trees, data=st.data())
def test_no_hash_of_a_proof_can_be_another(tree, data):
    proof = proof_of(*tree)
    hashes = proof["path"]
    if hashes:
        at = data.draw(st.integers(0, len(hashes) - 1))
        fails(**proof | {"path": [*hashes[:at], OTHER, *hashes[at + 1 :]]})
        fails(**proof | {"path": [*hashes[:at], hashes[at][:-1], *hashes[at + 1 :]]})
        fails(**proof | {"path": [*hashes[:at], *hashes[at + 1 :]]})
    fails(**proof | {"path": [*hashes, OTHER]})
    fails(**proof | {"root": OTHER})


@given(tree=trees)
def test_a_leaf_of_any_tree_is_proven(tree):
    check_inclusion(**proof_of(*tree))


@given(tree=trees, other=st.integers(-1, 700))
def test_a_proof_has_the_length_that_the_size_asks_for(tree, other):
    proof = proof_of(*tree)
    _, index = tree
    if index >= other or len(proof["path"]) != len(path(index, [b""] * other)):
        fails(**proof | {"size": other})


def test_a_proof_does_not_tell_all_sizes_apart_so_the_size_is_signed_with_the_root():
    check_inclusion(**proof_of(7, 0) | {"size": 8})


def test_two_subtrees_are_not_passed_off_as_a_leaf():
    first, second = b"first", b"second"
    root = RootHash([first, second]).digest()

    fails(leaf_hash(first) + leaf_hash(second), index=0, size=1, path=[], root=root)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_leaf_that_is_not_there_has_no_proof(index):
    with pytest.raises(IndexError, match=f"no leaf {index} among 3"):
        inclusion_proof([leaf_hash(leaf) for leaf in leaves(3)], index)


def test_the_root_of_50_000_leaves_takes_no_more_memory_than_that_of_10():
    def peak(size):
        tracemalloc.start()
        RootHash(f"leaf {number}".encode() for number in range(size)).digest()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak(10)
    # Whatever else the process does meanwhile is measured as well, and only adds.
    assert any(peak(50_000) < peak(10) + 8_000 for _ in range(3))


def test_leaves_can_be_added_after_the_root_was_asked_for():
    root = RootHash(leaves(3))
    root.digest()
    root.add(b"leaf 3")

    assert (root.size, root.digest()) == (4, RootHash(leaves(4)).digest())


@given(st.lists(st.integers(0, 40), max_size=5))
def test_leaves_that_are_added_together_are_added_as_one_by_one(sizes: list[int]) -> None:
    together, one_by_one = RootHash(), RootHash()
    for number, size in enumerate(sizes):
        leaves = [f"{number} {n}".encode() for n in range(size)]
        together.add_hashes([leaf_hash(each) for each in leaves])
        for each in leaves:
            one_by_one.add(each)

        assert (together.size, together.digest()) == (one_by_one.size, one_by_one.digest())


def test_digests_of_texts_that_begin_alike_are_those_of_each() -> None:
    begun = sha256(b"begun ")
    rests = [b"", b"one", b"x" * 200]

    assert sha256_of_each(begun, rests) == [sha256(b"begun " + each).digest() for each in rests]
    assert begun.digest() == sha256(b"begun ").digest()


def test_digests_of_texts_in_two_parts_are_those_of_the_whole_texts() -> None:
    begun = sha256(b"begun ")
    pairs = [(b"", b""), (b"one", b"two"), (b"", b"x" * 200)]

    whole = [sha256(b"begun " + first + second).digest() for first, second in pairs]
    assert sha256_of_pairs(begun, pairs) == whole
    assert begun.digest() == sha256(b"begun ").digest()
