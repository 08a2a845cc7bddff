import gzip
import json
import re
from pathlib import PurePosixPath as P

import pytest

from logferry import sdk
from logferry.checkout import ROOT
from logferry.services import NAMES, named

S3 = ("s3", "sqs")


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("planner/handler.py", True),
        ("botocore/client.py", True),
        ("botocore/data/endpoints.json", True),
        ("botocore/data/partitions.json", True),
        ("botocore/data/s3/2006-03-01/service-2.json.gz", True),
        ("botocore/data/s3/2006-03-01/paginators-1.json", True),
        ("botocore/data/s3/2006-03-01/examples-1.json", False),
        ("botocore/data/s3control/2018-08-20/service-2.json.gz", False),
        ("boto3/session.py", True),
        ("boto3/data/s3/2006-03-01/resources-1.json", False),
        ("boto3/examples/s3.rst", False),
    ],
)
def test_only_the_models_of_the_services_in_use_are_needed(path: str, *, needed: bool) -> None:
    assert sdk.is_needed(P(path), S3) is needed


def test_a_model_comes_unpacked_and_its_documentation_empty() -> None:
    model = {
        "documentation": "<p>Much.</p>",
        "shapes": {
            # A member by this name is part of the API.
            "Rule": {"members": {"documentation": {"shape": "S", "documentation": "<p>More.</p>"}}}
        },
        "operations": {"PutRule": {"errors": [{"shape": "E", "documentation": "<p>Sad.</p>"}]}},
    }
    path = P("botocore/data/s3/2006-03-01/service-2.json.gz")
    kept, content = sdk.trimmed(path, gzip.compress(json.dumps(model).encode()), S3)
    assert kept == P("botocore/data/s3/2006-03-01/service-2.json")
    assert json.loads(content) == {
        "documentation": "",
        "shapes": {"Rule": {"members": {"documentation": {"shape": "S", "documentation": ""}}}},
        "operations": {"PutRule": {"errors": [{"shape": "E", "documentation": ""}]}},
    }


def test_endpoints_keep_every_partition_and_region_and_the_services_in_use() -> None:
    partitions = [
        {"partition": "aws", "regions": {"eu-west-1": {}}, "services": {"s3": 1, "ec2": 2}},
        {"partition": "aws-cn", "regions": {"cn-north-1": {}}, "services": {"ec2": 3}},
    ]
    content = json.dumps({"partitions": partitions, "version": 3}).encode()
    _, kept = sdk.trimmed(P("botocore/data/endpoints.json"), content, S3)
    assert json.loads(kept) == {
        "partitions": [
            {"partition": "aws", "regions": {"eu-west-1": {}}, "services": {"s3": 1}},
            {"partition": "aws-cn", "regions": {"cn-north-1": {}}, "services": {}},
        ],
        "version": 3,
    }


@pytest.mark.parametrize("service", NAMES)
def test_the_clients_that_a_services_code_makes_are_in_its_zip(service: str) -> None:
    code = "\n".join(
        path.read_text() for path in (ROOT / "services" / service).rglob("src/**/*.py")
    )
    made = set(re.findall(r"""\bclient\(\s*["']([a-z0-9-]+)["']""", code))
    assert made == set(named(service).aws_services)
