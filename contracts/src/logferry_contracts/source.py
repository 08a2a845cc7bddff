"""A source: one account and Region whose logs are collected."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from logferry_contracts.message import Message

AccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$")]
"""Such as ``eu-central-1``, ``us-gov-west-1`` or ``eusc-de-east-1``."""
RoleArn = Annotated[
    str,
    Field(max_length=2048, pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$"),
]
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""
ExternalId = Annotated[
    str, Field(min_length=2, max_length=1224, pattern=r"^[A-Za-z0-9+=,.@:/_-]+$")
]
"""What a role's trust policy may ask for.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""
Profile = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""The short name of a source.

32 characters keep the exporter's function name within Lambda's 64.
https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""
BucketName = Annotated[
    str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")
]


PROFILE_TAG = "profile"
SLOT_TAG = "logferry:slot"


class SourceName(Message):
    """Which source something came from.

    Attributes:
        profile: The source's short name, which is also its prefix in the archive.
        account_id: The account that owns the log groups.
        region: The Region of the log groups and of the archive bucket.
    """

    profile: Profile
    account_id: AccountId
    region: Region

    @property
    def attributes(self) -> dict[str, str]:
        """The part of an event's SNS message attributes that says where it came from."""
        return {"profile": self.profile, "account_id": self.account_id, "region": self.region}

    @property
    def exporter_urn(self) -> str:
        """The CloudEvents ``source`` of what this source's exporter sends."""
        return f"urn:logferry:exporter:{self.profile}"

    @property
    def slot(self) -> str:
        """The place for one active export task that AWS gives each account and Region.

        It is the FIFO ``MessageGroupId``: two messages of one slot are never worked on at once.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
        """
        return f"{self.account_id}.{self.region}"

    @property
    def tags(self) -> dict[str, str]:
        """What says whose queue the slot's is, as its stack, or the planner, has tagged it."""
        return {PROFILE_TAG: self.profile, SLOT_TAG: self.slot}

    @property
    def queue_name(self) -> str:
        """The FIFO queue of this source's exporter."""
        return f"log-sqs-{self.profile.lower()}-collect.fifo"

    @property
    def direct_slot(self) -> str:
        """The FIFO ``MessageGroupId`` of exports that take the direct lane, beside the slot."""
        return f"{self.slot}.direct"

    @property
    def direct_queue_name(self) -> str:
        """The FIFO queue of this source's exports that take the direct lane."""
        return f"log-sqs-{self.profile.lower()}-direct.fifo"

    def day_group(self, date: str) -> str:
        """Return the FIFO ``MessageGroupId`` in which the end of a date's exports is waited for.

        It is none of the slot's, which goes on meanwhile, and no other date's.
        """
        return f"{self.slot}.day.{date}"

    @property
    def dead_letter_queue_name(self) -> str:
        """Where the exporter puts what it cannot do, with the reason as an attribute."""
        return f"log-sqs-{self.profile.lower()}-collect-dlq.fifo"

    @property
    def exporter_function_name(self) -> str:
        """The Lambda function that consumes the queue."""
        return f"log-sqs-{self.profile.lower()}-collect-fifoSQSConsumer"

    @property
    def direct_function_name(self) -> str:
        """The Lambda function that consumes the direct lane's queue."""
        return f"log-sqs-{self.profile.lower()}-direct-fifoSQSConsumer"


class Source(SourceName):
    """A source and how to reach it.

    Attributes:
        role_arn: The role in the source's account that the services assume.
        external_id: What the role's trust policy asks for; None when it asks for none.
    """

    role_arn: RoleArn
    external_id: ExternalId | None = None

    def assumed_by(self, service: str) -> dict[str, str]:
        """Return what AssumeRole is asked, so that the source's CloudTrail says by which service.

        A profile's length and characters keep the session's name within what AWS takes.
        https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        """
        external_id = {} if self.external_id is None else {"ExternalId": self.external_id}
        session_name = f"logferry-{service}-{self.profile}"
        return {"RoleArn": self.role_arn, "RoleSessionName": session_name, **external_id}

    @property
    def name(self) -> SourceName:
        """The source without the way to reach it, as events carry it."""
        return SourceName(profile=self.profile, account_id=self.account_id, region=self.region)


def signed_with(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """Return how boto3 is told to sign a client's calls with what AssumeRole has given.

    https://boto3.amazonaws.com/v1/documentation/api/latest/reference/core/session.html
    """
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }
