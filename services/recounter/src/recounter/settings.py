"""The environment variables that this service reads, checked once at cold start."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from logferry_contracts.environment import Artifact, Bucket, Environment, Number
from logferry_contracts.source import AccountId, ExternalId, Profile, Region, RoleArn, Source

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


_DAYS = r"^(([1-9]|[12][0-9]|30)(,([1-9]|[12][0-9]|30))*|none)$"


def _days(value: Any) -> Any:
    """Return the numbers of a variable such as ``3,14``."""
    if not isinstance(value, str):  # a setting already, as tests make them
        return value
    if not re.fullmatch(_DAYS, value):
        raise ValueError("not of days")
    return () if value == "none" else tuple(map(int, value.split(",")))


class Settings(Environment):
    """Checked settings.

    Attributes:
        control_bucket: With the ledger, the notes of open exports, and the recounts.
        profile: The source's.
        source_account_id: Whose logs are counted.
        source_region: Where they are.
        source_role_arn: The role in that account.
        external_id: What that role asks for; None where it asks for nothing.
        share: How many thousandths of what its ingestion did cost counting may cost.
        lag: How long after its end a window is left alone: what came in last, queries do not see at
            once.
        look_back: How old a window's start may be for it to be counted.
        open_after: How long after its end a window is waited for whose exports have not ended.
        revisit_days: How many days after its end a window is looked at again.
        revisit_share: How many thousandths of what its ingestion did cost such a look may cost.
        calls_per_second: Of FilterLogEvents, of all who read the source's logs.
        added_mb: How many megabytes may be read again on a day to add what the archive lacks; at 0
            nothing is added.
        stop_share: Where more thousandths of a date's exports differ, nothing is added.
        artifact: The zip that this function runs; None when not given.
    """

    control_bucket: Bucket
    profile: Annotated[Profile, Field(description="a profile")]
    source_account_id: Annotated[AccountId, Field(description="an account id")]
    source_region: Annotated[Region, Field(description="a Region")]
    source_role_arn: Annotated[RoleArn, Field(description="the ARN of a role")]
    external_id: Annotated[ExternalId | None, Field(description="an external id")] = None
    share: Annotated[int, Number(1, 1000), Field(alias="SHARE_PERMILLE")] = 10
    lag: Annotated[timedelta, Number(0, 1440, _MINUTE), Field(alias="LAG_MINUTES")] = timedelta(
        hours=2
    )
    look_back: Annotated[timedelta, Number(1, 400, _DAY), Field(alias="LOOK_BACK_DAYS")] = (
        timedelta(days=7)
    )
    open_after: Annotated[timedelta, Number(0, 366, _DAY), Field(alias="OPEN_AFTER_DAYS")] = (
        timedelta(days=3)
    )
    revisit_days: Annotated[
        tuple[int, ...],
        BeforeValidator(_days),
        Field(
            description="days from 1 to 30 with commas between, or none",
            json_schema_extra={"pattern": _DAYS},
        ),
    ] = (3, 14)
    revisit_share: Annotated[int, Number(0, 1000), Field(alias="REVISIT_PERMILLE")] = 0
    calls_per_second: Annotated[
        int, Number(1, 1000), Field(alias="DIRECT_LANE_CALLS_PER_SECOND")
    ] = 5
    added_mb: Annotated[int, Number(0, 100_000), Field(alias="ADD_MB_PER_DAY")] = 500
    stop_share: Annotated[int, Number(0, 1000), Field(alias="STOP_PERMILLE")] = 20
    artifact: Artifact | None = None

    @property
    def source(self) -> Source:
        """The source, and how to reach it."""
        return Source(
            profile=self.profile,
            account_id=self.source_account_id,
            region=self.source_region,
            role_arn=self.source_role_arn,
            external_id=self.external_id,
        )
