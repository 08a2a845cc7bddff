"""A configuration of two hubs, each with a bucket of its own: checked in one run, told apart."""

import boto3
import pytest
from contracts.tests.sealed_archive import SOURCE, Archive
from tests.attacks.conftest import Attacked, Verify
from tests.attacks.places import S3Bucket

from logferry.config import Config

THERE = "us-east-2"
CHAINS = [f"{SOURCE.account_id}/{region}" for region in (SOURCE.region, THERE)]


@pytest.fixture
def there(bucket: Attacked, session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """The second hub's archive, of the same account in the other Region."""

    def hubs(config: Config) -> list[Config]:
        return [config, config.model_copy(update={"region": THERE})]

    monkeypatch.setattr(Config, "hubs", hubs)
    assert isinstance(bucket.place, S3Bucket)
    name = bucket.place.name.replace(SOURCE.region, THERE)
    source = SOURCE.model_copy(update={"region": THERE})
    s3 = session.client("s3", region_name=THERE)
    archive = Archive(S3Bucket(s3, name, THERE), bucket.archive.key, source)
    archive.days(2, ["/app/a"])
    return archive


def empty(archive: Archive) -> None:
    assert isinstance(archive.bucket, S3Bucket)
    for key in archive.bucket.listed(""):
        archive.bucket.remove(key)


def test_the_archives_of_two_hubs_are_checked_in_one_run(
    bucket: Attacked, there: Archive, verify: Verify
) -> None:
    answer = verify(bucket)

    assert (answer.code, answer.found) == (0, set())
    said = [(each["chain"], each["verdict"], each["seals"]) for each in answer.chains]
    assert said == [(CHAINS[0], "valid", 4), (CHAINS[1], "valid", 2)]


def test_what_is_deleted_in_the_second_hubs_archive_makes_that_one_invalid(
    bucket: Attacked, there: Archive, verify: Verify
) -> None:
    assert isinstance(there.bucket, S3Bucket)
    there.bucket.remove(there.bucket.listed(f"{SOURCE.profile}/")[0])

    answer = verify(bucket)

    assert (answer.code, answer.found) == (1, {"object_missing"})
    assert {each["chain"]: each["verdict"] for each in answer.chains} == {
        CHAINS[0]: "valid",
        CHAINS[1]: "invalid",
    }


def test_a_hub_without_a_seal_is_not_called_valid(
    bucket: Attacked, there: Archive, verify: Verify
) -> None:
    empty(there)

    answer = verify(bucket)

    assert answer.code == 3
    assert {each["chain"]: each["verdict"] for each in answer.chains} == {
        CHAINS[0]: "valid",
        CHAINS[1]: "unchecked",
    }


def test_a_chain_that_is_in_order_in_one_archive_is_looked_at_in_the_other(
    bucket: Attacked, there: Archive, verify: Verify
) -> None:
    assert isinstance(bucket.place, S3Bucket)
    empty(there)
    bucket.place.copied(there.bucket)
    [gone, *_] = bucket.objects
    there.bucket.remove(gone)

    answer = verify(bucket)

    assert (answer.code, answer.found) == (1, {"object_missing", "unchecked"})
    assert [(each["chain"], each["verdict"]) for each in answer.chains] == [
        (CHAINS[0], "valid"),
        (CHAINS[0], "invalid"),
        (CHAINS[1], "unchecked"),
    ]
