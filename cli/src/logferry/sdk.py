"""The AWS SDK as a service needs it: the models of the AWS services it calls, and no more.

botocore is 26 of a zip's 30 MB, most of it models of services that nobody calls and documentation.
A smaller model also loads sooner: a third of the time for S3's.
"""

import gzip
import json
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Any

_BOTOCORE_DATA = ("botocore", "data")
_BOTO3_ONLY_FOR_OTHERS = {("boto3", "data"), ("boto3", "examples")}
"""For boto3's resources, which nobody here uses, and its documentation."""
_DATA_FOLDER_PARTS = 4
"""``botocore/data/<AWS service>/<file or version>`` and longer is about one AWS service."""
_GZIPPED = ".json.gz"


def is_needed(path: PurePosixPath, aws_services: Collection[str]) -> bool:
    """Return whether a file of the SDK is needed for clients of these AWS services."""
    if path.parts[:2] in _BOTO3_ONLY_FOR_OTHERS:
        return False
    if path.parts[:2] != _BOTOCORE_DATA or len(path.parts) < _DATA_FOLDER_PARTS:
        return True
    return path.parts[2] in aws_services and not path.name.startswith("examples-")


def trimmed(
    path: PurePosixPath, content: bytes, aws_services: Collection[str]
) -> tuple[PurePosixPath, bytes]:
    """Return a needed file without what no client reads; other files come back as they are.

    Models lose their documentation and come unpacked, which botocore reads as well and sooner;
    the list of endpoints loses the other services, and keeps every partition and Region.
    """
    if path.parts[:2] != _BOTOCORE_DATA:
        return path, content
    if path.name.endswith(_GZIPPED):
        model = _without_documentation(json.loads(gzip.decompress(content)))
        return path.with_name(path.name.removesuffix(".gz")), _compact(model)
    if path.name == "endpoints.json":
        endpoints = json.loads(content)
        for partition in endpoints["partitions"]:
            services = partition["services"]
            partition["services"] = {
                name: endpoint for name, endpoint in services.items() if name in aws_services
            }
        return path, _compact(endpoints)
    return path, content


def _without_documentation(node: Any) -> Any:
    """Return a model with empty documentation: in places botocore needs that there is some."""
    if isinstance(node, dict):
        return {
            # A member of a structure may have this name too, and is a dict.
            name: ""
            if name == "documentation" and isinstance(value, str)
            else _without_documentation(value)
            for name, value in node.items()
        }
    if isinstance(node, list):
        return [_without_documentation(value) for value in node]
    return node


def _compact(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
