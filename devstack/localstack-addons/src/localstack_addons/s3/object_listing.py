"""S3's listings with `encoding-type=url`, which boto3 always asks for.

LocalStack compares markers and prefixes, which requests give as they are, with keys that it has
encoded, and gives a marker as it is that its client will decode. So a listing of keys with `[`, `$`
or blanks ended early, or came round again, after its first page, without an error.

From documentation: `encoding-type` is about how keys are written in the answer, nothing else
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html).

Recorded on AWS: `StartAfter` is taken as it is, `=` is written as `%3D` (localstack/localstack,
tests/aws/services/s3/test_s3_list_operations.py,
`test_list_objects_v2_continuation_token_safe_chars`, 2026-02-21).
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from urllib.parse import quote

OPERATIONS = ("list_objects", "list_objects_v2", "list_object_versions", "list_multipart_uploads")
_NAMES = (
    *("Key", "Prefix", "Delimiter"),
    *("KeyMarker", "NextKeyMarker", "Marker", "NextMarker", "StartAfter"),
)
_LISTS = ("Contents", "Versions", "DeleteMarkers", "Uploads", "CommonPrefixes")


def encoded(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A listing whose keys are as they are, with the keys encoded, and nothing else."""
    lists = {
        name: [_with_encoded_names(each) for each in answer[name]]
        for name in _LISTS
        if name in answer
    }
    return {**_with_encoded_names(answer), **lists, "EncodingType": "url"}


def install() -> None:
    """Have LocalStack list keys as they are, and encode its answers."""
    from localstack.services.s3.provider import S3Provider  # noqa: PLC0415

    for name in OPERATIONS:
        setattr(S3Provider, name, _encoding(getattr(S3Provider, name)))


def _with_encoded_names(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: quote(value) if name in _NAMES and value else value for name, value in members.items()
    }


def _encoding(operation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(operation)
    def call(provider: Any, context: Any, **parameters: Any) -> Any:
        wanted = parameters.pop("encoding_type", None)
        if wanted != "url":
            return operation(provider, context, **parameters, encoding_type=wanted)
        return encoded(operation(provider, context, **parameters))

    return call
