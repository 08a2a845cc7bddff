"""The archive bucket as the rules of verification read it, on moto and LocalStack."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError, IncompleteReadError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from devstack.pytest_backends import Backend
from logferry.bucket_store import OPENED, BucketStore
from logferry_contracts.archive import Readable
from logferry_contracts.chain import ChainName
from logferry_contracts.verification.store import Missing, Unreadable

SEALS = "!seals/111122223333/eu-west-1/seals/"


@pytest.fixture
def s3(backend: Backend) -> Any:
    return backend.client("s3")


@pytest.fixture
def bucket(backend: Backend, s3: Any) -> str:
    """A bucket with Object Lock."""
    name = f"archive-{backend.account_id}"
    s3.create_bucket(
        Bucket=name,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": backend.region},
    )
    return name


@pytest.fixture
def store(s3: Any, bucket: str) -> BucketStore:
    return BucketStore(s3, bucket)


@pytest.fixture
def calls(s3: Any) -> list[str]:
    """What S3 is asked."""
    calls: list[str] = []
    s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    return calls


type Put = Callable[..., str]


@pytest.fixture
def put(s3: Any, bucket: str) -> Put:
    """Write a version, and return its id."""

    def put(key: str, body: bytes = b"1", **more: Any) -> str:
        version_id: str = s3.put_object(Bucket=bucket, Key=key, Body=body, **more)["VersionId"]
        return version_id

    return put


def test_versions_and_markers_come_by_key_and_the_newest_first(
    s3: Any, store: BucketStore, put: Put, bucket: str
) -> None:
    first = [put(key) for key in ("a/b", "a-b", "a/\u00e9 +&%")]
    second = put("a/b", b"12")
    marker = s3.delete_object(Bucket=bucket, Key="a/b")["VersionId"]
    assert list(store.versions("a")) == [
        ("a-b", first[1], True, False, 1),
        ("a/b", marker, True, True, 0),
        ("a/b", second, False, False, 2),
        ("a/b", first[0], False, False, 1),
        ("a/\u00e9 +&%", first[2], True, False, 1),
    ]


def test_where_logs_are_not_held_only_seals_are_asked_for_their_hold(
    s3: Any, bucket: str, put: Put
) -> None:
    store = BucketStore(s3, bucket, are_logs_held=False)
    seal = "!seals/111122223333/eu-central-1/seals/0000000001.json"
    assert store.is_held("a", put("a")) is None
    assert store.is_held(seal, put(seal)) is False


def test_what_belongs_to_no_chain_is_named_or_cannot_be_listed(
    s3: Any, store: BucketStore, monkeypatch: pytest.MonkeyPatch, put: Put
) -> None:
    account, beside = "!seals/111122223333", ("!seals/a", "!seals/b/c", "!seals/111122223333/d/e")
    for key in (f"{account}/eu-central-1/seals/0000000001.json", f"{account}/f", *beside):
        put(key)
    assert sorted(store.outside()) == sorted([f"{account}/f", *beside])

    listed, refused = s3.list_object_versions, [""]

    def throttled(**asked: Any) -> Any:
        if asked["Prefix"] in refused:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "-"}}, "ListObjectVersions")
        return listed(**asked)

    monkeypatch.setattr(s3, "list_object_versions", throttled)
    for refused[0] in ("!seals/", f"{account}/"):
        with pytest.raises(Unreadable, match="SlowDown"):
            list(store.outside())


def test_all_pages_are_read(
    s3: Any, store: BucketStore, monkeypatch: pytest.MonkeyPatch, put: Put
) -> None:
    for number in range(5):
        put(f"a/{number}")
        put(f"a/{number}")
    pages: list[Any] = []
    listed = s3.list_object_versions

    def two(**asked: Any) -> Any:
        pages.append(listed(**asked, MaxKeys=3))
        return pages[-1]

    monkeypatch.setattr(s3, "list_object_versions", two)
    assert len(list(store.versions("a/"))) == 10
    assert len(pages) > 3


def test_a_version_is_read_by_its_id_and_the_newest_without(store: BucketStore, put: Put) -> None:
    first, _ = put("a", b"old"), put("a", b"new")
    assert store.open("a", None).read() == b"new"
    file = store.open("a", first)
    assert (file.read(2), file.read(2), file.read(2)) == (b"ol", b"d", b"")
    file.close()


def test_what_is_not_there_is_missing(s3: Any, store: BucketStore, put: Put, bucket: str) -> None:
    version_id = put("a")
    marker = s3.delete_object(Bucket=bucket, Key="a")["VersionId"]
    for key, which in (("b", None), ("a", None), ("a", marker), ("a", "no-such-version")):
        with pytest.raises(Missing):
            store.open(key, which)
    assert store.open("a", version_id).read() == b"1"


def test_holds_are_told(store: BucketStore, put: Put) -> None:
    held = put("a", ObjectLockLegalHoldStatus="ON")
    lifted = put("a", ObjectLockLegalHoldStatus="OFF")
    never = put("a")
    assert [store.is_held("a", each) for each in (held, lifted, never)] == [True, False, False]
    with pytest.raises(Missing):
        store.is_held("b", None)


def test_a_bucket_without_object_lock_has_no_holds(backend: Backend, s3: Any) -> None:
    name = f"copy-{backend.account_id}"
    where = {"LocationConstraint": backend.region}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    s3.put_object(Bucket=name, Key="a", Body=b"1")
    copy = BucketStore(s3, name)
    with Stubber(s3) if backend.name == "moto" else nullcontext() as stubbed:
        if stubbed:  # moto says of it what S3 says of an object without a hold
            told = "Bucket is missing Object Lock Configuration"
            stubbed.add_client_error("get_object_legal_hold", "InvalidRequest", told, 400)
        assert copy.is_held("a", None) is None
    [version] = copy.versions("a")
    assert copy.open("a", version.version_id).read() == b"1"


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_what_is_in_glacier_cannot_be_read(
    store: BucketStore, storage_class: str, put: Put
) -> None:
    put("a", StorageClass=storage_class)
    with pytest.raises(Unreadable, match=r"a is in .*: restore it, and check again"):
        store.open("a", None)


def test_what_is_refused_is_neither_there_nor_missing(s3: Any) -> None:
    store = BucketStore(s3, "no-such-bucket")
    with pytest.raises(Unreadable, match=r"ListObjectVersions of a: .*NoSuchBucket"):
        list(store.versions("a"))
    for ask in (store.open, store.is_held):
        with pytest.raises(Unreadable, match=r"a: .*NoSuchBucket"):
            ask("a", None)


def test_chains_are_found_also_where_everything_of_them_is_hidden(
    s3: Any, store: BucketStore, put: Put, bucket: str
) -> None:
    put(f"{SEALS}0000000001.json")
    put("!seals/anything/eu-west-1/x")
    put("shop/x")
    s3.delete_object(Bucket=bucket, Key=f"{SEALS}0000000001.json")
    assert store.chains() == [ChainName(account_id="111122223333", region="eu-west-1")]


class _BreaksOff:
    """A download that breaks off after some bytes."""

    def __init__(self, body: StreamingBody, after: int) -> None:
        self._body = body
        self._left = after

    def read(self, amount: int | None = None) -> bytes:
        piece = self._body.read(min(amount or self._left, self._left)) if self._left else b""
        if not piece and self._body.read(1):
            raise IncompleteReadError(actual_bytes=0, expected_bytes=1)
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        self._body.close()


@pytest.fixture
def ranges(s3: Any, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Break every download off after four bytes, and note what is asked for."""
    asked_for: list[str | None] = []
    get = s3.get_object

    def breaking(**asked: Any) -> Any:
        asked_for.append(asked.get("Range"))
        found = get(**asked)
        return found | {"Body": _BreaksOff(found["Body"], 4)}

    monkeypatch.setattr(s3, "get_object", breaking)
    return asked_for


def read(file: Readable) -> bytes:
    return b"".join(iter(lambda: file.read(3), b""))


def test_a_download_that_broke_off_goes_on_where_it_was(
    store: BucketStore, ranges: list[str | None], put: Put
) -> None:
    put("a", b"0123456789")
    assert read(store.open("a", None)) == b"0123456789"
    assert ranges == [None, "bytes=4-", "bytes=8-"]


def test_a_download_that_goes_on_is_of_the_same_bytes(
    store: BucketStore, ranges: list[str | None], put: Put
) -> None:
    put("a", b"0123456789")
    file = store.open("a", None)
    put("a", b"abcdefghij")
    with pytest.raises(Unreadable, match="PreconditionFailed"):
        read(file)


def test_a_download_that_breaks_off_again_and_again_is_unreadable(
    store: BucketStore, ranges: list[str | None], put: Put
) -> None:
    put("a", b"0" * 4 * (OPENED + 1))
    with pytest.raises(Unreadable, match=f"a broke off after {4 * OPENED} bytes, {OPENED} times"):
        read(store.open("a", None))
    assert ranges == [None, *(f"bytes={4 * n}-" for n in range(1, OPENED))]


def test_nobody_asks_for_the_hold_of_what_was_opened(
    store: BucketStore, put: Put, calls: list[str]
) -> None:
    held = put("held", ObjectLockLegalHoldStatus="ON")
    free = put("free")
    calls.clear()

    for key, version_id in (("held", held), ("free", free)):
        store.open(key, version_id).close()
        assert store.is_held(key, version_id) is (key == "held")

    assert calls == ["GetObject", "GetObject", "GetObjectLegalHold"]


def test_a_hold_that_was_lifted_since_it_was_told_is_not_taken_for_one(
    s3: Any, store: BucketStore, put: Put, bucket: str
) -> None:
    version_id = put("held", ObjectLockLegalHoldStatus="ON")
    store.open("held", version_id).close()
    assert store.is_held("held", version_id)

    s3.put_object_legal_hold(
        Bucket=bucket, Key="held", VersionId=version_id, LegalHold={"Status": "OFF"}
    )

    assert store.is_held("held", version_id) is False
