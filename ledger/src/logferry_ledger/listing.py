"""Pages of ListObjectsV2, of which keys and ETags alone are wanted.

botocore's parser walks through a model of the answer for each object: of a thousand it takes ten
times as long as all else that becomes of them.
"""

import re
from html import unescape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_OK = 200
_CONTENTS = re.compile(rb"<Contents>.*</Contents>", re.DOTALL)
_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_ETAG = re.compile(rb"<ETag>([^<]*)</ETag>")


def list_keys_and_etags(s3: "S3Client") -> None:
    """Let a client's ListObjectsV2 return nothing but ``Key`` and ``ETag`` of each object.

    What is not as S3 writes it is left to botocore's parser:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    s3.meta.events.register("before-parse.s3.ListObjectsV2", _decode, unique_id=__name__)


def _decode(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Take the objects out of what botocore parses."""
    body = response_dict["body"]
    if response_dict["status_code"] != _OK or b"<CommonPrefixes>" in body:
        return
    count = body.count(b"<Contents>")
    keys, etags = _KEY.findall(body), _ETAG.findall(body)
    if count and count == len(keys) == len(etags):
        response_dict["body"] = _CONTENTS.sub(b"", body)
        customized_response_dict["Contents"] = [
            {"Key": unescape(key.decode()), "ETag": unescape(etag.decode())}
            for key, etag in zip(keys, etags, strict=True)
        ]
