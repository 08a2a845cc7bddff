"""An exporter as it is often written: a session for each client, all of Powertools, eager models.

Everything is made at import. It runs from a folder of its own with the whole of its packages.
"""

from typing import Annotated, Any, Literal

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, ConfigDict, Field

logs = boto3.Session().client("logs")
sqs = boto3.Session().client("sqs")
sns = boto3.Session().client("sns")

logger = Logger()
tracer = Tracer()
metrics = Metrics()

Text = Annotated[str, Field(min_length=1, max_length=1024)]
Count = Annotated[int, Field(ge=0)]
AccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$")]


class Model(BaseModel):
    """What all fifteen others have in common."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Source(Model):
    """Whose log groups are exported."""

    profile: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    account_id: AccountId
    region: Text
    role_arn: Text
    external_id: Text | None = None


class LogGroup(Model):
    """A log group."""

    name: Text
    arn: Text
    log_group_class: Literal["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"]
    created_ms: Count
    retention_days: Count | None = None
    stored_bytes: Count


class Window(Model):
    """From when to when."""

    from_ms: Count
    to_ms: Count


class Destination(Model):
    """Where the objects go."""

    bucket: Text
    prefix: Text


class ExportRequestedData(Model):
    """One export."""

    export_id: Text
    generation: Count
    source: Source
    log_group: LogGroup
    window: Window
    destination: Destination
    lane: Literal["slot", "direct"]
    estimated_bytes: Count


class Envelope(Model):
    """A CloudEvent."""

    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Text
    time: Text
    datacontenttype: Literal["application/json"]
    dataschema: Text


class ExportRequested(Envelope):
    """A message of the queue."""

    data: ExportRequestedData


class ArchivedObject(Model):
    """An object."""

    key: Text
    version_id: Text
    size_bytes: Count
    etag: Text


class Manifest(Model):
    """What an export task wrote."""

    task_id: Text
    objects: list[ArchivedObject]
    total_bytes: Count


class ExportCompletedData(ExportRequestedData):
    """An export with its objects."""

    manifest: Manifest


class ExportCompleted(Envelope):
    """An event of the topic."""

    data: ExportCompletedData


class ExportFailedData(ExportRequestedData):
    """An export that came to nothing."""

    reason: Text
    detail: Text


class ExportFailed(Envelope):
    """An event of the topic."""

    data: ExportFailedData


class Submitted(Model):
    """An export task that runs."""

    task_id: Text
    window: Window


class LedgerRecord(Model):
    """What is known of an export."""

    state: Literal["requested", "submitted", "completed", "failed"]
    request: ExportRequestedData
    submitted: Submitted | None = None
    completed: ExportCompletedData | None = None
    failed: ExportFailedData | None = None


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handle(event: dict[str, Any], _: Any) -> None:
    """Begin the export that each message asks for."""
    for record in event["Records"]:
        request = ExportRequested.model_validate_json(record["body"]).data
        logger.info("requested", extra={"export_id": request.export_id})
        metrics.add_metric("ExportsRequested", MetricUnit.Count, 1)
        logs.create_export_task(
            logGroupName=request.log_group.name,
            fromTime=request.window.from_ms,
            to=request.window.to_ms,
            destination=request.destination.bucket,
            destinationPrefix=request.destination.prefix,
        )
