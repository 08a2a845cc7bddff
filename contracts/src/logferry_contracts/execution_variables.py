"""ExecutionVariables: the form in which aws-logs-export-to-s3 asked for a plan.

Schedules written for it go on working: the planner takes these variables, word for word, where
it takes a PlanRequest. https://github.com/anthunt/aws-logs-export-to-s3
"""

from typing import Annotated

from pydantic import Field

from logferry_contracts.message import Message
from logferry_contracts.plan_request import Date
from logferry_contracts.source import BucketName, Profile, RoleArn


class ConsumerOptions(Message):
    """The exporter function of a source."""

    bucket_name: Annotated[BucketName, Field(alias="BucketName")]
    object_key: Annotated[str, Field(alias="ObjectKey", min_length=1, max_length=1024)]
    layer_arn: Annotated[
        str,
        Field(
            alias="LayerArn",
            pattern=r"^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$",
        ),
    ]
    batch_size: Annotated[int, Field(alias="BatchSize", ge=1, le=10)]


class QueueOptions(Message):
    """The queue of a source, in SQS's own units: seconds."""

    visibility_timeout: Annotated[int, Field(alias="VisibilityTimeout", ge=0, le=43_200)]
    message_retention_period: Annotated[
        int, Field(alias="MessageRetentionPeriod", ge=60, le=1_209_600)
    ]
    kms_master_key_id: Annotated[str, Field(alias="KmsMasterKeyId", min_length=1, max_length=2048)]
    kms_data_key_reuse_period_seconds: Annotated[
        int, Field(alias="KmsDataKeyReusePeriodSeconds", ge=60, le=86_400)
    ]
    consumer_options: Annotated[ConsumerOptions, Field(alias="ConsumerOptions")]


class ExecutionVariables(Message):
    """Schedule → planner, as a schedule's constant JSON text.

    Attributes:
        prefix: The source's profile, and its prefix in the archive.
        collect_date: The day to collect; None for the previous day.
        queue_options: None touches no infrastructure.
    """

    logging_bucket_name: Annotated[BucketName, Field(alias="loggingBucketName")]
    role_arn: Annotated[RoleArn, Field(alias="roleArn")]
    prefix: Annotated[Profile, Field(alias="Prefix")]
    collect_date: Annotated[Date | None, Field(alias="collectDate")] = None
    queue_options: Annotated[QueueOptions | None, Field(alias="QueueOptions")] = None
