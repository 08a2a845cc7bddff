"""Count the lines of each export that the queue tells of, and write down how many there are.

The function of this example. It gets a batch of SQS messages, each with an event as its body, and
answers which of them have to come again::

    {"Records": [{"messageId": "...", "body": "..."}]}
    {"batchItemFailures": [{"itemIdentifier": "..."}]}
"""

import json
import logging
import os
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from logferry_contracts.archive import Readable, events
from logferry_contracts.events import parse_event
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.wire import ContractError

logger = logging.getLogger()
logger.setLevel("INFO")

CLIENT_CONFIG = Config(retries={"mode": "legacy", "total_max_attempts": 6})
"""Throttles, 5xx and broken connections are tried again for up to 31 s, without a budget."""


def handle(event: Mapping[str, Any], _: object) -> dict[str, Any]:
    """Count for each message; what fails for a passing reason comes again, alone."""
    archive = archive_client()
    failed = []
    for record in event["Records"]:
        try:
            consume(record["body"], archive)
        except Exception:
            # After five times it goes to the dead-letter queue, by the queue's redrive policy.
            logger.exception("will be tried again")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def consume(body: str, archive: Any) -> None:
    """Count the lines of one export, or put aside what is no event that can be read."""
    try:
        event = parse_event(body)
    except ContractError as error:
        put_aside(body, error)
        return
    if isinstance(event, ExportCompleted):
        write_down(event, count(event, archive))


def count(event: ExportCompleted, archive: Any) -> dict[str, int]:
    """Count an export's events, and the lines of their messages."""
    counted = {"events": 0, "lines": 0}
    for log_event in events(event.data, partial(open_object, archive)):
        counted["events"] += 1
        counted["lines"] += log_event.message.count("\n") + 1
    return counted


def open_object(archive: Any, bucket: str, key: str, version_id: str | None) -> Readable:
    """Open an object of the archive, or what has replaced the version that is asked for.

    A version is gone where a verified copy of it, under the archive's key, has taken its place. S3
    calls that forbidden, not missing, to those who may not list the whole bucket.
    """
    version = {"VersionId": version_id} if version_id else {}
    try:
        body: Readable = archive.get_object(Bucket=bucket, Key=key, **version)["Body"]
    except ClientError as error:
        is_gone = error.response["Error"]["Code"] in {"NoSuchVersion", "AccessDenied"}
        if version_id is None or not is_gone:
            raise
        return open_object(archive, bucket, key, None)
    return body


def write_down(event: ExportCompleted, counted: Mapping[str, int]) -> None:
    """Write an export's counts under its id: an event that comes twice counts once."""
    result = {
        "log_group": event.data.log_group_name,
        **event.data.window.model_dump(),
        **counted,
    }
    client("s3").put_object(
        Bucket=os.environ["COUNTS_BUCKET"], Key=f"{event.id}.json", Body=json.dumps(result)
    )
    logger.info("counted %s", result)


def put_aside(body: str, error: ContractError) -> None:
    """Send what no further try can read to the dead-letter queue, with the reason."""
    attributes = {"reason": error.reason, "detail": str(error)[:1000]}
    client("sqs").send_message(
        QueueUrl=os.environ["DEAD_LETTER_QUEUE_URL"],
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )
    logger.error("put aside: %s", error)


def archive_client() -> Any:
    """Return a client that reads the archive as the hub lets this function, for one hour."""
    role = client("sts").assume_role(
        RoleArn=os.environ["READER_ROLE_ARN"], RoleSessionName="line-counter"
    )["Credentials"]
    return boto3.client(
        "s3",
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
        config=CLIENT_CONFIG,
    )


@cache
def client(service: str) -> Any:
    """Return a client of this account."""
    return boto3.client(service, config=CLIENT_CONFIG)  # type: ignore[call-overload]  # any service
