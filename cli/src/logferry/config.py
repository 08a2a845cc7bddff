"""What to deploy: the operator's YAML file, checked."""

import fnmatch
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from logferry.errors import ConfigError
from logferry.fields import (
    Architecture,
    ExternalId,
    HubRegion,
    KeyArn,
    OrganizationId,
    Schedule,
    TimeZone,
    partition_of,
)
from logferry.log_retention import LogRetentionConfig
from logferry.recount import RecountConfig
from logferry.yaml_file import mapping_in
from logferry_contracts.plan_request import PlanRequest, PlanRequestData, Selection
from logferry_contracts.source import AccountId, Profile, RoleArn, Source, SourceName
from logferry_contracts.window import WindowRule

FLEXIBLE_MINUTES = 15
"""Enough for the schedules of 500 sources that name the same minute: about one in two seconds."""
MAX_SOURCES = 500
"""The archive's bucket policy names each account twice, and has room for 20 KB.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
"""
MAX_SOURCES_WITHOUT_ORGANIZATION = 200
"""Outside an organisation it names each account once more, by its ARN."""
PARAMETER_BYTES = 4096
"""Of a stack parameter's value.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
MIN_DAYS_BEFORE_STANDARD_IA = 30
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html"""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Timeouts(_Part):
    """How long a function may take, and when a message that it crashed on comes back."""

    function_timeout_s: Annotated[int, Field(ge=5, le=900)]
    visibility_timeout_s: Annotated[int, Field(le=43_200)]

    @model_validator(mode="after")
    def _no_message_comes_back_too_soon(self) -> Self:
        if self.visibility_timeout_s < self.function_timeout_s:
            raise ValueError(
                f"visibility_timeout_s {self.visibility_timeout_s} is less than "
                f"function_timeout_s {self.function_timeout_s}"
            )
        return self


class RetentionConfig(_Part):
    """Object Lock's default retention: nobody can delete an object before it has passed.

    Attributes:
        mode: In COMPLIANCE nobody at all, not even the account's root; in GOVERNANCE whoever may
            bypass it.
    """

    mode: Literal["GOVERNANCE", "COMPLIANCE"]
    days: Annotated[int, Field(ge=1, le=36_500)]


class TransitionConfig(_Part):
    """Where the archive's objects go as they age, by S3's lifecycle.

    Attributes:
        storage_class: GLACIER and DEEP_ARCHIVE have to be restored before they can be read.
        after_days: Counted from an object's creation.
    """

    storage_class: Literal[
        "STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"
    ]
    after_days: Annotated[int, Field(ge=0, le=36_500)] = 30

    @model_validator(mode="after")
    def _s3_takes_it(self) -> Self:
        if self.storage_class == "STANDARD_IA" and self.after_days < MIN_DAYS_BEFORE_STANDARD_IA:
            raise ValueError(
                f"after_days {self.after_days}: S3 takes objects into STANDARD_IA after "
                f"{MIN_DAYS_BEFORE_STANDARD_IA} days at the earliest"
            )
        return self


class ArchiveConfig(_Part):
    """Settings of the archive's bucket.

    Attributes:
        default_retention: None for legal holds alone. With one, S3 refuses to encrypt an object in
            place that arrived under a wrong key: it is copied, and its original stays.
        transition: None to leave all objects in STANDARD.
        signing_key_spec: Of the key that seals are signed with, which is made once: another one is
            another key.
        signing_key_arn: A key that is there already, such as one of another account; None for one
            in the archive's stack.
    """

    default_retention: RetentionConfig | None = None
    transition: TransitionConfig | None = None
    signing_key_spec: Literal["ECC_NIST_P256", "RSA_2048", "RSA_3072", "RSA_4096"] = "ECC_NIST_P256"
    signing_key_arn: KeyArn | None = None


MEMORY_MB = {5: 256, 10: 384, 1000: 1024}
"""Of the direct lane's function, by the most calls a second that it is for."""


class DirectLaneConfig(Timeouts):
    """Settings of the lane in which windows are read, beside the export tasks.

    Attributes:
        planned_bytes: Windows that are guessed to have fewer bytes may take it; 0 for none.
        most_bytes: How much is read at once; a window that has more is read in parts.
        calls_per_second: Of FilterLogEvents, by all of logferry; the quota is 5 to 25, by Region.
        quota_percent: Of that quota, what is ours; `doctor` tells where `calls_per_second` is more.
    """

    planned_bytes: Annotated[int, Field(ge=0, le=1_000_000_000_000_000)] = 1_000_000_000_000
    most_bytes: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1_000_000_000
    calls_per_second: Annotated[int, Field(ge=1, le=1000)] = 5
    quota_percent: Annotated[int, Field(ge=1, le=100)] = 100
    function_timeout_s: Annotated[int, Field(ge=5, le=900)] = 900
    visibility_timeout_s: Annotated[int, Field(le=43_200)] = 1800

    @property
    def function_memory_mb(self) -> int:
        """What has the CPU for so many pages a second: 12 ms each, and 3 to compress it."""
        return next(mb for calls, mb in MEMORY_MB.items() if self.calls_per_second <= calls)


class ExporterConfig(Timeouts):
    """Settings of every exporter.

    Attributes:
        retry_backoff_s: The pause after the first failed task of a window; it doubles.
        split_after_hours: The age at which a task is given up and its window split.
    """

    function_timeout_s: Annotated[int, Field(ge=5, le=900)] = 120
    visibility_timeout_s: Annotated[int, Field(le=43_200)] = 720
    retry_backoff_s: Annotated[int, Field(ge=0, le=900)] = 60
    split_after_hours: Annotated[int, Field(ge=1, le=23)] = 22


class SweepConfig(_Part):
    """Settings of the sweep of the archive.

    Attributes:
        state: Whether it runs on schedule.
        every_hours: From the start of one sweep to the start of the next.
        full_every_days: After which one looks at everything again.
        reserved_concurrency: Whether one execution is reserved for it, so that two never do the
            same things. An account whose quota is not above 100 has none to reserve.
    """

    state: Literal["ENABLED", "DISABLED"] = "ENABLED"
    every_hours: Annotated[int, Field(ge=0, le=9999)] = 24
    full_every_days: Annotated[int, Field(ge=0, le=9999)] = 90
    objects_per_second: Annotated[int, Field(ge=1, le=9999)] = 100
    reserved_concurrency: bool = True


class EnforcerConfig(Timeouts):
    """Settings of the sse-enforcer."""

    function_timeout_s: Annotated[int, Field(ge=60, le=900)] = 300
    visibility_timeout_s: Annotated[int, Field(le=43_200)] = 600
    hold: Literal["on_completion", "on_creation", "off"] = "on_completion"
    sweep: SweepConfig = SweepConfig()


class SealerConfig(Timeouts):
    """Settings of the sealer.

    Attributes:
        seal_after_hours: How long a date has been over before it is sealed.
        open_after_days: How long a date waits for exports that have not ended, from when they are
            planned on, after `Config.settle_minutes`: then they are open.
        look_back_days: For how long a sealed date is looked at for truth that comes later.
        former_signing_key_arns: The key that has signed so far, where `ArchiveConfig` names another
            one now: it signs once more, that this is so.
    """

    seal_after_hours: Annotated[int, Field(ge=0, le=8784)] = 24
    open_after_days: Annotated[int, Field(ge=0, le=366)] = 3
    look_back_days: Annotated[int, Field(ge=1, le=366)] = 35
    former_signing_key_arns: list[KeyArn] = []
    function_timeout_s: Annotated[int, Field(ge=60, le=900)] = 900
    visibility_timeout_s: Annotated[int, Field(le=43_200)] = 1800


class ObservabilityConfig(_Part):
    """When something is amiss, and who is told.

    Attributes:
        gap_hours: For how long a window may be due without having been planned, and planned without
            its exports having ended.
        plan_within_hours: Within how many hours a plan of each source has to be completed. An
            alarm looks back for a week at most.
        page_action_arn: What the one alarm over all of the hub's notifies, such as an SNS topic.
    """

    gap_hours: Annotated[int, Field(ge=1, le=8760)] = 25
    plan_within_hours: Annotated[int, Field(ge=1, le=168)] = 30
    page_action_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:[a-z-]+:")] | None = None


class SourceConfig(_Part):
    """One account whose logs are collected.

    Attributes:
        role_arn: None for the role that ``deploy-source-account`` makes there.
        schedule: When the planner is asked to plan it.
        schedule_flexible_minutes: How much later that may be, so that sources do not all begin at
            once; 0 for on time. None for on time where the schedule is a moment, ``at(...)``, and
            for `FLEXIBLE_MINUTES` where it comes again.
        selection: None for every log group.
        window_rule: None for the days of the configuration's time zone.
    """

    profile: Profile
    account_id: AccountId
    role_arn: RoleArn | None = None
    schedule: Schedule
    schedule_time_zone: TimeZone = "UTC"
    schedule_flexible_minutes: Annotated[int, Field(ge=0, le=1440)] | None = None
    state: Literal["ENABLED", "DISABLED"] = "ENABLED"
    selection: Selection | None = None
    window_rule: WindowRule | None = None

    @model_validator(mode="after")
    def _role_is_in_the_account(self) -> Self:
        if self.role_arn is not None and self.role_arn.split(":")[4] != self.account_id:
            raise ValueError(f"role_arn {self.role_arn} is not in account {self.account_id}")
        return self

    @property
    def lowercase_profile(self) -> str:
        """The profile as the names of its queues and its function have it."""
        return self.profile.lower()

    @property
    def flexible_minutes(self) -> int:
        """How many minutes later than its schedule says a plan may begin."""
        if self.schedule_flexible_minutes is not None:
            return self.schedule_flexible_minutes
        return 0 if self.schedule.startswith("at(") else FLEXIBLE_MINUTES

    @property
    def slug(self) -> str:
        """The profile as the name of its stack has it, which takes no underscore."""
        return self.lowercase_profile.replace("_", "-")


class Config(_Part):
    """A hub and its sources, all in one Region.

    Attributes:
        name: What the names of stacks, buckets, roles and parameters begin with. Another one for
            each Region of an account, since roles are of all Regions.
        hub_account_id: The account of the archive and the services.
        organization_id: The organisation of all accounts; None for accounts without one.
        external_id: What the sources' roles ask for; None when they ask for nothing.
        time_zone: Whose days are exported, where a source does not say it.
        lookback_days: For how many days schedules may stand still without a loss, where a source
            does not say it.
        provisioning: Whether the planner makes and mends queues and functions where execution
            variables carry ``QueueOptions``.
        queue_key_arn: The key that those name, where it is not the archive's.
        alarm_action_arn: What each alarm of a service or a source notifies, such as an SNS topic.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")] = "logferry"
    region: HubRegion
    hub_account_id: AccountId
    organization_id: OrganizationId | None = None
    external_id: ExternalId | None = None
    settle_minutes: Annotated[int, Field(ge=0, le=20_160)] = 1440
    lookback_days: Annotated[int, Field(ge=1, le=400)] = 14
    provisioning: Literal["DISABLED", "ENABLED"] = "DISABLED"
    queue_key_arn: KeyArn | None = None
    time_zone: TimeZone = "Asia/Seoul"
    architecture: Architecture = "arm64"
    alarm_action_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:[a-z-]+:")] | None = None
    archive: ArchiveConfig = ArchiveConfig()
    direct_lane: DirectLaneConfig = DirectLaneConfig()
    exporter: ExporterConfig = ExporterConfig()
    sse_enforcer: EnforcerConfig = EnforcerConfig()
    sealer: SealerConfig = SealerConfig()
    recount: RecountConfig = RecountConfig()
    observability: ObservabilityConfig = ObservabilityConfig()
    log_retention: LogRetentionConfig = LogRetentionConfig()
    sources: Annotated[list[SourceConfig], Field(min_length=1, max_length=MAX_SOURCES)]
    _file: str = PrivateAttr("organization.yaml")

    @model_validator(mode="after")
    def _sources_go_together(self) -> Self:
        problems = [
            *_twice("account_id", (s.account_id for s in self.sources), "one slot, one source"),
            *_twice("profile", (s.slug for s in self.sources), "names of stacks and queues"),
            *self.recount.problems(self.sealer.look_back_days),
        ]
        if (page := self.observability.page_action_arn) and page == self.alarm_action_arn:
            problems.append("observability.page_action_arn is alarm_action_arn: it is told twice")
        if self.organization_id is None and len(self.sources) > MAX_SOURCES_WITHOUT_ORGANIZATION:
            problems.append(
                f"{len(self.sources)} sources are more than the {MAX_SOURCES_WITHOUT_ORGANIZATION}"
                " that a bucket policy has room for without organization_id"
            )
        problems += [
            f"{arn} is not in partition {self.partition}, which {self.region} is in"
            for arn in self._arns()
            if arn.split(":")[1] != self.partition
        ]
        problems += [
            f"the selection of {source.profile} is too long: {size} of {PARAMETER_BYTES} bytes"
            for source in self.sources
            if (size := len(self.schedule_input(source).encode())) > PARAMETER_BYTES
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _arns(self) -> list[str]:
        """Return the ARNs that somebody has written."""
        written = [self.queue_key_arn, self.alarm_action_arn, self.observability.page_action_arn]
        written += [self.archive.signing_key_arn, *self.sealer.former_signing_key_arns]
        written += [source.role_arn for source in self.sources]
        return [arn for arn in written if arn is not None]

    @property
    def file(self) -> str:
        """Where it was read, as typed."""
        return self._file

    @property
    def partition(self) -> str:
        """AWS's partition, as ARNs begin with it."""
        return partition_of(self.region)

    @property
    def archive_bucket(self) -> str:
        """The archive bucket, as its template names it."""
        return f"{self.name}-archive-{self.hub_account_id}-{self.region}"

    @property
    def control_bucket(self) -> str:
        """The control bucket, which has the ledger, as its template names it."""
        return f"{self.name}-control-{self.hub_account_id}-{self.region}"

    def source(self, profile: str) -> SourceConfig:
        """Return the source of a profile.

        Raises:
            ConfigError: There is none.
        """
        for source in self.sources:
            if source.profile == profile:
                return source
        known = ", ".join(source.profile for source in self.sources)
        raise ConfigError("sources", [f"profile: {profile}: none of {known}"])

    def hubs(self) -> "list[Config]":
        """Return the file's hubs, each as a configuration of one Region."""
        return [self]

    def chosen(self, profiles: Sequence[str]) -> "list[tuple[Config, list[SourceConfig]]]":
        """Return the hubs with those of their sources that these patterns match; all for none.

        Raises:
            ConfigError: No hub has a source of one of the profiles.
        """
        by_hub = [(hub, {source.profile: source for source in hub.sources}) for hub in self.hubs()]
        known = list(dict.fromkeys(profile for _, sources in by_hub for profile in sources))
        unknown = [pattern for pattern in profiles if not fnmatch.filter(known, pattern)]
        if unknown:
            text = ", ".join(known)
            raise ConfigError("sources", [f"profile: {each}: none of {text}" for each in unknown])
        matching = [
            each for pattern in profiles or ["*"] for each in fnmatch.filter(known, pattern)
        ]
        wanted = dict.fromkeys(matching)
        found = [
            (hub, [sources[each] for each in wanted if each in sources]) for hub, sources in by_hub
        ]
        return [(hub, sources) for hub, sources in found if sources]

    @property
    def topic_arn(self) -> str:
        """The topic for events, as its template names it."""
        return f"arn:{self.partition}:sns:{self.region}:{self.hub_account_id}:log-export-events"

    def source_name(self, source: SourceConfig) -> SourceName:
        """Return a source as events name it."""
        return SourceName(profile=source.profile, account_id=source.account_id, region=self.region)

    def time_zone_of(self, source: SourceConfig) -> str:
        """Return whose days a source's dates are."""
        return self.time_zone if source.window_rule is None else source.window_rule.time_zone

    def role_arn(self, source: SourceConfig) -> str:
        """Return the ARN of a source's role."""
        if source.role_arn is not None:
            return source.role_arn
        return f"arn:{self.partition}:iam::{source.account_id}:role/{self.name}-source"

    def reached(self, source: SourceConfig, role_arn: str | None = None) -> Source:
        """Return a source with the role that reaches it: its own, or another one in its account."""
        named, role_arn = self.source_name(source).model_dump(), role_arn or self.role_arn(source)
        return Source(**named, role_arn=role_arn, external_id=self.external_id)

    def schedule_input(self, source: SourceConfig) -> str:
        """Return what a source's schedule asks the planner for, as JSON text.

        Execution variables where they say all of it; a PlanRequest, whose id and time EventBridge
        Scheduler fills in, where the source has a selection or a window rule.
        https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
        """
        if source.selection is None and source.window_rule is None:
            variables = {
                "loggingBucketName": self.archive_bucket,
                "roleArn": self.role_arn(source),
                "Prefix": source.profile,
            }
            return json.dumps(variables)
        event = {
            "specversion": "1.0",
            "id": "<aws.scheduler.execution-id>",
            "source": f"urn:logferry:schedule:{source.profile}",
            "type": PlanRequest.TYPE,
            "time": "<aws.scheduler.scheduled-time>",
            "datacontenttype": "application/json",
            "dataschema": PlanRequest.SCHEMA,
            "data": self.plan_request_data(source).model_dump(exclude_none=True),
        }
        return json.dumps(event)

    def plan_request_data(self, source: SourceConfig) -> PlanRequestData:
        """Return what a source's schedule asks the planner for."""
        return PlanRequestData(
            source=self.reached(source),
            bucket=self.archive_bucket,
            window_rule=source.window_rule or WindowRule(unit="day", time_zone=self.time_zone),
            selection=source.selection,
        )


def load(path: Path) -> Config:
    """Read and check a configuration.

    Raises:
        ConfigError: The file cannot be read, is no YAML, or breaks rules; names all of them.
    """
    document = mapping_in(path)
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise ConfigError(str(path), [_problem(problem) for problem in problems]) from error
    config._file = str(path)  # noqa: SLF001  (nobody else sets it)
    return config


def _problem(problem: Any) -> str:
    field = ".".join(map(str, problem["loc"])) or "(the file)"
    value, rule = problem["input"], problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "string_type" and isinstance(value, int | float | date):
        rule += "; put it into quotes"
    if problem["type"] == "missing":
        return f"{field}: is missing"
    if isinstance(value, dict | list | BaseModel):
        return f"{field}: {rule}"
    return f"{field}: {value!r}: {rule}"


def _twice(field: str, values: Iterable[str], why: str) -> list[str]:
    return [
        f"{field} {value} is there {count} times ({why})"
        for value, count in Counter(values).items()
        if count > 1
    ]
