"""A copied archive as the rules of verification read it."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from logferry.errors import ConfigError
from logferry.folder_store import FolderStore
from logferry_contracts.chain import ChainName
from logferry_contracts.verification.store import Missing, Unreadable

KEYS = [
    "!seals/111122223333/eu-west-1/seals/0000000001.json",
    "shop/a-b/x.gz",
    "shop/a.b",
    "shop/a/x.gz",
    "shop/a/y/z.gz",
    "shop/a0",
    "shop/\u00e9",
    "shop/\U0001f600",
]
"""In the order of their bytes in UTF-8."""


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    for key in KEYS:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(key.encode())
    return FolderStore(tmp_path)


def keys(store: FolderStore, prefix: str) -> list[str]:
    return [each.key for each in store.versions(prefix)]


def test_keys_come_in_the_order_of_s3(store: FolderStore) -> None:
    assert keys(store, "") == KEYS


@pytest.mark.parametrize(
    "prefix", ["shop/", "shop/a", "shop/a/", "shop/a/y/", "shop/b/", "shop/a/x.gz", "sh", "!seals/"]
)
def test_a_prefix_is_not_a_folder(store: FolderStore, prefix: str) -> None:
    assert keys(store, prefix) == [key for key in KEYS if key.startswith(prefix)]


def test_each_key_has_one_version_without_an_id_and_no_hold(store: FolderStore) -> None:
    [found] = store.versions("shop/a.b")
    assert found == ("shop/a.b", None, True, False, len("shop/a.b"))
    assert store.is_held("shop/a.b", None) is None
    with closing(store.open("shop/a.b", None)) as file:
        assert file.read() == b"shop/a.b"


@pytest.mark.parametrize("key", ["shop/none", "shop/a", "shop/a.b/x"])
def test_what_is_no_file_is_missing(store: FolderStore, key: str) -> None:
    with pytest.raises(Missing):
        store.open(key, None)


def test_a_version_is_missing_where_there_are_none(store: FolderStore) -> None:
    with pytest.raises(Missing, match="a folder has no versions"):
        store.open("shop/a.b", "3/L4kqtJlcpXroDTDmJ")


@pytest.mark.parametrize("key", ["shop/../../etc/passwd", "..", "shop/a/.."])
def test_what_no_folder_can_have_is_neither_there_nor_missing(store: FolderStore, key: str) -> None:
    with pytest.raises(Unreadable, match=r"it has '\.\.' between slashes"):
        store.open(key, None)
    with pytest.raises(Unreadable, match=r"it has '\.\.' between slashes"):
        list(store.versions(f"{key}/"))


def test_what_has_too_long_a_name_is_neither_there_nor_missing(store: FolderStore) -> None:
    with pytest.raises(Unreadable, match="name too long"):
        store.open(f"shop/{'x' * 300}", None)


@pytest.mark.parametrize("key", ["shop//a.b", "shop/./a.b", "/shop/a.b"])
def test_what_is_copied_to_another_path_is_found_there(store: FolderStore, key: str) -> None:
    with closing(store.open(key, None)) as file:
        assert file.read() == b"shop/a.b"


def test_what_is_known_to_be_of_another_key_is_listed_as_that_alone(store: FolderStore) -> None:
    store.know(["shop//a/x.gz"])
    assert keys(store, "shop//a/") == ["shop//a/x.gz"]
    assert keys(store, "shop/a/") == ["shop/a/y/z.gz"]
    assert "shop//a/x.gz" in keys(store, "shop/")


def test_what_may_not_be_read_is_named(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Unreadable, match=r"shop/a\.b: Permission denied"):
        store.open("shop/a.b", None)
    with pytest.raises(Unreadable, match="shop/: Permission denied"):
        keys(store, "shop/")


def test_a_link_that_leads_round_in_a_circle_is_a_file(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "shop" / "loop").symlink_to(tmp_path)
    assert set(keys(store, "")) == {*KEYS, "shop/loop"}


def test_a_name_that_is_no_text_is_listed_all_the_same(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "shop" / os.fsdecode(b"\xff")).write_bytes(b"")
    assert keys(store, "shop/")[-1] == r"shop/\xff"


def test_chains_are_found_by_their_folders(store: FolderStore, tmp_path: Path) -> None:
    for other in ("anything/eu-west-1", "222233334444/eu-central-1", "222233334444/anything"):
        (tmp_path / "!seals" / other).mkdir(parents=True)
    assert store.chains() == [
        ChainName(account_id="111122223333", region="eu-west-1"),
        ChainName(account_id="222233334444", region="eu-central-1"),
    ]


def test_a_folder_without_seals_is_the_wrong_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no !seals/ in it; give the folder"):
        FolderStore(tmp_path)


def test_a_folder_that_folds_case_is_refused(tmp_path: Path) -> None:
    (tmp_path / "!seals").mkdir()
    (tmp_path / "!SEALS").symlink_to(tmp_path / "!seals")  # as such a file system answers
    with pytest.raises(ConfigError, match="does not tell A from a"):
        FolderStore(tmp_path)
