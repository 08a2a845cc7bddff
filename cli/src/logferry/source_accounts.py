"""The role in every source's account, by a stack set of the organisation.

CloudFormation makes the stacks by itself, also in an account that joins later. An account's profile
overrides the stack set's parameters, which cannot know that of an account that just joined.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/what-is-cfnstacksets.html
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from logferry.account_roles import GETS_ROLE, Result, account_roles, of_management
from logferry.config import Config
from logferry.credentials import account_of
from logferry.errors import ConfigError, DeclinedError
from logferry.stack import CLIENT_CONFIG
from logferry.stack_set import UNLISTED, Options, StackSet

if TYPE_CHECKING:
    import boto3

_UNIT = re.compile(r"ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,32}")


def deploy_source_accounts(session: "boto3.Session", config: Config, options: Options) -> Result:
    """Bring the stack set to what template and configuration say, and the role into each source.

    Sources with a ``role_arn`` of their own get none. An account that fails does not end it.

    Args:
        session: With credentials of the organisation's management account, or of an account that
            administers stack sets for it.
        config: Has the sources.
        options: Where and how.

    Raises:
        ConfigError: A unit's id is none, or a source has the profile `UNLISTED`.
        DeclinedError: ``confirm`` said no.
        DeployError: AWS does not let it, or an operation does not end.
    """
    _check(config, options.units)
    caller = account_of(session, config)
    client = session.client("cloudformation", region_name=config.region, config=CLIENT_CONFIG)
    stack_set = StackSet(client, config, options)
    # CloudFormation makes no stack of such a stack set in the management account.
    management = caller if options.call_as == "SELF" else None
    proposal, instances = stack_set.propose(
        [
            source
            for source in config.sources
            if source.role_arn is None and source.account_id != management
        ]
    )
    status: Literal["changed", "unchanged", "proposed"] = "unchanged"
    if not proposal.changes_nothing:
        if not options.confirm(proposal.lines(stack_set.name)):
            raise DeclinedError(f"not deployed: {stack_set.name}")
        status = "proposed"
        if not options.dry_run:
            stack_set.carry_out(proposal)
            status, instances = "changed", stack_set.instances()

    excused = {source.account_id: GETS_ROLE for source in proposal.missing if options.dry_run}
    if management in {source.account_id for source in config.sources}:
        excused[management] = of_management(config, management)
    accounts = account_roles(config, instances, excused, stack_set.reasons)
    without_effect = [] if options.dry_run else stack_set.without_effect()
    return Result(stack_set.name, status, accounts, without_effect)


def _check(config: Config, units: Sequence[str]) -> None:
    problems = [
        f"organizational-unit: {unit}: no unit such as ou-ab12-c3d4e5f6, and no root such as r-ab12"
        for unit in units
        if not _UNIT.fullmatch(unit)
    ]
    problems += [
        f"profile: {source.profile}: is what accounts are called that are no source yet"
        for source in config.sources
        if source.lowercase_profile == UNLISTED
    ]
    if problems:
        raise ConfigError("deploy-source-accounts", problems)
