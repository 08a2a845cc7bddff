"""The stacks of a hub and of a source's account, with what the configuration says of each."""

from collections.abc import Mapping
from itertools import batched

from logferry.config import ArchiveConfig, Config, SourceConfig
from logferry.errors import DeployError
from logferry.package import Zip
from logferry.services import SERVICES, Service, role_arn_patterns
from logferry.stack import Stack
from logferry.typed import typed

ACCOUNTS_PER_PARAMETER = 300
"""A stack parameter's value has room for 4,096 bytes; an account id and its comma take 13.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

KEPT = ("artifacts", "archive")
"""Stacks that are deleted only when they are named: what they retain is of use to no other stack,
and to make them again means to import it."""


def hub_stacks(config: Config, zips: Mapping[str, Zip]) -> list[list[Stack]]:
    """Return the hub's stacks, in steps: each needs only those of the steps before it.

    Whoever reads a message comes before its writer, as a new reader knows what an old writer sends.

    Args:
        config: What to deploy.
        zips: By their services.

    Raises:
        DeployError: A service has no zip.
    """
    services = (_service_stacks(config, service, zips) for service in reversed(SERVICES))
    return [
        [_stack(config, "artifacts", "artifacts.yaml", {})],
        [_stack(config, "archive", "archive.yaml", _archive_parameters(config))],
        *(stacks for stacks in services if stacks),
        [_stack(config, "observability", "observability.yaml", _observability_parameters(config))],
    ]


def names_to_remove(config: Config) -> list[list[str]]:
    """Return the names of the hub's stacks, without the name that all begin with, in steps.

    What reports on the others goes first, then what a source has, then what all of them share.
    """
    shared = [name for each in SERVICES if not each.is_per_source for name in each.stacks(config)]
    of_sources = [name for each in SERVICES if each.is_per_source for name in each.stacks(config)]
    return [["observability"], of_sources, shared, ["archive"], ["artifacts"]]


def source_account_stack(config: Config, source: SourceConfig) -> Stack:
    """Return the stack of a source's account."""
    parameters = {
        "HubAccountId": config.hub_account_id,
        "Profile": source.profile,
        "LowercaseProfile": source.lowercase_profile,
        "ExternalId": config.external_id or "",
        "OrganizationId": config.organization_id or "",
        "ProvisionedExporter": config.provisioning,
    }
    return _stack(config, "source", "source-account.yaml", parameters)


def _service_stacks(config: Config, service: Service, zips: Mapping[str, Zip]) -> list[Stack]:
    function = _function_parameters(config, zips, service)
    return [
        _stack(config, name, service.template, {**function, **parameters})
        for name, parameters in service.stacks(config).items()
    ]


def _stack(config: Config, name: str, template: str, parameters: Mapping[str, str]) -> Stack:
    return Stack(
        name=f"{config.name}-{name}",
        template=template,
        parameters={"Name": config.name, **parameters},
        tags={"application": config.name},
    )


def _archive_parameters(config: Config) -> dict[str, str]:
    account_ids = [source.account_id for source in config.sources]
    first, *more = (
        ",".join(some) for some in batched(account_ids, ACCOUNTS_PER_PARAMETER, strict=False)
    )
    return {
        "SourceAccountIds": first,
        "MoreSourceAccountIds": ",".join(more),
        "SourceRoleArnPatterns": role_arn_patterns(config),
        "OrganizationId": config.organization_id or "",
        "SigningKeySpec": config.archive.signing_key_spec,
        "SigningKeyArn": config.archive.signing_key_arn or "",
        **_retention_parameters(config.archive),
    }


def _retention_parameters(archive: ArchiveConfig) -> dict[str, str]:
    """Return what keeps objects, and where. Days of what is not wanted are the template's."""
    retention, transition = archive.default_retention, archive.transition
    return {
        "DefaultRetentionMode": retention.mode if retention else "NONE",
        "DefaultRetentionDays": str(retention.days if retention else 1),
        "TransitionStorageClass": transition.storage_class if transition else "NONE",
        "TransitionDays": str(transition.after_days if transition else 30),
    }


def _function_parameters(
    config: Config, zips: Mapping[str, Zip], service: Service
) -> dict[str, str]:
    if service.name not in zips:
        raise DeployError(f"no zip of {service.name}: build it with `{typed('package')}`")
    some = {
        "ArchiveBucketName": f"/{config.name}/archive/bucket",
        "TopicArn": f"/{config.name}/topic/arn",
    }
    return {
        "CodeKey": code_key(zips[service.name]),
        "Architecture": zips[service.name].architecture,
        "AlarmActionArn": config.alarm_action_arn or "",
        "ArtifactBucketName": f"/{config.name}/artifacts/bucket",
        "ControlBucketName": f"/{config.name}/control/bucket",
        "KeyArn": f"/{config.name}/kms/key-arn",
        **{name: some[name] for name in service.takes},
    }


def _observability_parameters(config: Config) -> dict[str, str]:
    is_scheduled = any(source.state == "ENABLED" for source in config.sources)
    return {
        "GapHours": str(config.observability.gap_hours),
        "PlanWithinHours": str(config.observability.plan_within_hours),
        "ScheduleState": "ENABLED" if is_scheduled else "DISABLED",
        "PageActionArn": config.observability.page_action_arn or "",
    }


def code_key(built: Zip) -> str:
    """Return a zip's key in the artifact bucket: other content has another key."""
    return f"{built.service}/{built.version}-{built.sha256}.zip"
