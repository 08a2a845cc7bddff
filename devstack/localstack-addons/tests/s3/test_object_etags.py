import pytest

from localstack_addons.s3.object_etags import etag_of

MD5 = "098f6bcd4621d373cade4e832627b4f6"


@pytest.mark.parametrize("encryption", [None, "AES256"])
def test_without_kms_an_etag_is_the_md5(encryption: str | None):
    assert etag_of(MD5, encryption, "salt") == MD5


@pytest.mark.parametrize("encryption", ["aws:kms", "aws:kms:dsse"])
def test_under_kms_every_encryption_has_an_etag_of_its_own(encryption: str):
    one, other = (etag_of(MD5, encryption, salt) for salt in ("a", "b"))
    assert len({MD5, one, other}) == 3
    assert len(one) == len(MD5)


def test_an_upload_in_parts_keeps_their_number():
    assert etag_of(f"{MD5}-12", "aws:kms", "salt").endswith("-12")
