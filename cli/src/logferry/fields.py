"""Values of the operator's file: what each of them may be, checked where it is read."""

import functools
from typing import Annotated, Literal

from botocore.exceptions import UnknownRegionError
from botocore.session import get_session
from pydantic import AfterValidator, Field

from logferry.schedule import problem_of
from logferry_contracts.source import Region
from logferry_contracts.zones import zone_named

Architecture = Literal["arm64", "x86_64"]
"""As Lambda names it."""

PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b")
"""Of which it is known what CloudWatch Logs is called in policies: `logs.<region>.<DNS suffix>`.

https://github.com/aws/aws-cdk/blob/main/packages/aws-cdk-lib/region-info/lib/default.ts
https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/service_principal
These two differ about the others. In aws-eusc AWS refuses a principal with the suffix of that
partition: https://github.com/pulumi/pulumi-eks/issues/2341
"""


@functools.cache
def partition_of(region: str) -> str:
    """Return the partition that botocore's data has a Region in.

    Raises:
        UnknownRegionError: It has it in none.
    """
    return str(get_session().get_partition_for_region(region))


def _is_region(region: str) -> str:
    try:
        partition = partition_of(region)
    except UnknownRegionError as error:
        raise ValueError("in no partition of AWS that botocore knows") from error
    if partition not in PARTITIONS:
        raise ValueError(
            f"in partition {partition}, of which it is not known what CloudWatch Logs is called in"
            f" policies; known of {', '.join(PARTITIONS)}"
        )
    return region


def _is_time_zone(name: str) -> str:
    try:
        zone_named(name)
    except ValueError as error:
        raise ValueError("not an IANA time zone, such as Europe/Berlin") from error
    return name


def _is_schedule(expression: str) -> str:
    if problem := problem_of(expression):
        raise ValueError(problem)
    return expression


HubRegion = Annotated[Region, AfterValidator(_is_region)]
TimeZone = Annotated[str, AfterValidator(_is_time_zone)]
Schedule = Annotated[str, AfterValidator(_is_schedule)]
"""https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html"""
OrganizationId = Annotated[str, Field(pattern=r"^o-[a-z0-9]{10,32}$")]
KeyArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$")
]
ExternalId = Annotated[
    str, Field(min_length=2, max_length=1224, pattern=r"^[A-Za-z0-9+=,.@:/_-]+$")
]
