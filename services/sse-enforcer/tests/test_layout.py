import pytest
from contracts.tests.corpus import LOG_GROUP_NAMES

from logferry_contracts.log_group import log_group_folder
from sse_enforcer.layout import Kind, kind

HOUR = "shop-prod/aws/lambda/orders/2026/11/21/00"
TASK = f"{HOUR}/7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10"


@pytest.mark.parametrize(
    "key",
    [
        f"{TASK}/2026-11-21-[$LATEST]0c8f2b7e5a914d3f8e6b1a2c4d5e6f70/000000.gz",
        f"{TASK}/100% load test + Köln 注文/000123.gz",
        f"{TASK}/aws-logs-write-test/000000.gz",
        f"{HOUR}/direct/auditor-1/000000.gz",
        "p/group/2028/02/29/23/7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10/s/000000.gz",
        "p/2025/01/01/00/2026/11/21/00/7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10/s/000000.gz",
    ],
)
def test_what_an_export_writes_is_a_log_file(key):
    assert kind(key) is Kind.LOG_FILE


@pytest.mark.parametrize("name", LOG_GROUP_NAMES)
def test_the_objects_of_every_log_group_are_log_files(name):
    hour = f"shop/{log_group_folder(name)}/2026/11/21/00"

    assert kind(f"{hour}/direct/web-1/000000.gz") is Kind.LOG_FILE
    assert kind(f"{hour}/aws-logs-write-test") is Kind.WRITE_TEST


@pytest.mark.parametrize(
    "key", [f"{HOUR}/aws-logs-write-test", "p/#./2026/01/01/00/aws-logs-write-test"]
)
def test_the_object_that_an_export_task_begins_with_is_a_write_test(key):
    assert kind(key) is Kind.WRITE_TEST


@pytest.mark.parametrize(
    "key", ["!seals/111122223333/eu-west-1/seals/0000000001.json", f"!seals/{TASK}/s/000000.gz"]
)
def test_what_belongs_to_seals_is_the_sealers(key):
    assert kind(key) is Kind.SEAL


@pytest.mark.parametrize(
    "key",
    [
        "!sealsx/a",
        "shop-prod/!seals/a",
        "manual/upload.txt",
        "aws-logs-write-test",
        "shop-prod/aws-logs-write-test",
        "shop-prod/!aws/2026/11/21/00/aws-logs-write-test",
        "shop-prod/aws/!/2026/11/21/00/aws-logs-write-test",
        "!/shop-prod/aws/2026/11/21/00/aws-logs-write-test",
        f"{HOUR}/aws-logs-write-test/",
        f"{HOUR}/aws-logs-write-test.bak",
        f"{HOUR}/my-aws-logs-write-test",
        f"{HOUR}/aws-logs-write-test\n",
        f"backup of {HOUR}/aws-logs-write-test",
        "shop-prod/aws/lambda/orders/2026/13/21/00/aws-logs-write-test",
        "shop-prod/aws/lambda/orders/2026/02/29/00/aws-logs-write-test",
        "shop-prod/aws/lambda/orders/2026/11/21/24/aws-logs-write-test",
        "shop-prod/aws/lambda/orders/2026/11/21/aws-logs-write-test",
        "shop-prod/aws/lambda/orders/٢٠٢٦/11/21/00/aws-logs-write-test",
        f"{TASK}/stream/000000.gz.bak",
        f"{TASK}/stream/00000.gz",
        f"{TASK}/000000.gz",
        f"{TASK}/a/b/000000.gz",
        f"{TASK.upper()}/stream/000000.gz",
        f"{HOUR}/not-a-task/stream/000000.gz",
        f"/{TASK}/stream/000000.gz",
        f"{'p' * 33}/group/2026/11/21/00/aws-logs-write-test",
        "athena/results/2026/11/21/0f0f.csv",
        "",
    ],
)
def test_anything_else_is_unknown(key):
    assert kind(key) is Kind.UNKNOWN
