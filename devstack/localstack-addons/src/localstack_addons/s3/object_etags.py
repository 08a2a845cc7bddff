"""ETags of objects under SSE-KMS, which are no MD5 on AWS and other ones for every encryption.

LocalStack gives the MD5 of the content, so that a copy under another key looked like its original,
and a second copy on the condition of the first one's ETag was made that AWS refuses.

Recorded on AWS: an object under SSE-KMS, a copy of it onto itself under another key, and a copy
under SSE-S3 have three ETags, and only the last is an MD5 (localstack/localstack,
tests/aws/services/s3/test_s3.py, `test_s3_copy_object_in_place_with_encryption`, 2026-02-21).

From documentation: UpdateObjectEncryption leaves the ETag as it is
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html).

Not modelled: the ETags of a multipart upload's parts, which stay MD5s.
"""

import hashlib
import secrets
from typing import Any

_KMS_ENCRYPTIONS = {"aws:kms", "aws:kms:dsse"}


def etag_of(md5: str, encryption: str | None, salt: str) -> str:
    """The ETag of an object that LocalStack gave `md5`, or `<md5>-<parts>`, when it was written."""
    if encryption not in _KMS_ENCRYPTIONS:
        return md5
    digest = hashlib.md5(f"{salt}{md5}".encode(), usedforsecurity=False).hexdigest()
    _, dash, parts = md5.partition("-")
    return f"{digest}{dash}{parts}"


def install() -> None:
    """Give every object its ETag when it is written, whatever its encryption becomes later."""
    from localstack.services.s3.models import S3Object  # noqa: PLC0415

    def read(stored: Any) -> str | None:
        etag: str | None = stored.__dict__.get("etag")
        return etag

    def write(stored: Any, md5: str | None) -> None:
        # The first time, its encryption is not known yet, and there is nothing to encrypt.
        encryption = getattr(stored, "encryption", None)
        salt = secrets.token_hex()
        stored.__dict__["etag"] = md5 and etag_of(md5, encryption, salt)

    S3Object.etag = property(read, write)
