"""Where each account stands: whether it has the role, and whether it has to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.config import Config
from logferry.stack_set import UNLISTED, Instance
from logferry.typed import typed

GETS_ROLE = "gets the role"
NOT_A_SOURCE = "joined, not collected yet: add it to sources"
NO_ROLE = "no role: it is in none of the organizational units, or it is the management account"


def of_management(config: Config, account_id: str) -> str:
    """Return why an organisation's management account has no role, and what makes it one."""
    [profile] = [each.profile for each in config.sources if each.account_id == account_id]
    made = typed("deploy-source-account", config.file, "--profile", profile)
    return f"the management account gets no role from a stack set: {made}"


@dataclass(frozen=True)
class Account:
    """Where an account stands.

    Attributes:
        profile: Of its role; of the source where it has no role.
        status: Its instance's; ``NONE`` where it has none.
        detail: Why, and what to do.
        is_failed: Whether it has to have the role, and has not, or not as it should be.
    """

    account_id: str
    profile: str
    status: str
    detail: str
    is_failed: bool


@dataclass(frozen=True)
class Result:
    """What became of the stack set.

    Attributes:
        status: ``proposed`` by a dry run that would change something.
        accounts: The sources', and any other that has the role.
        without_effect: Units that are no targets of the stack set: an account that joins one gets
            no role before a source of it is listed.
    """

    stack_set_name: str
    status: Literal["changed", "unchanged", "proposed"]
    accounts: Sequence[Account]
    without_effect: Sequence[str] = ()

    @property
    def is_failed(self) -> bool:
        """Whether the role of some account is not as it should be."""
        return any(account.is_failed for account in self.accounts)

    def as_json(self) -> dict[str, Any]:
        """Return it as the command prints it."""
        return asdict(self)

    def table(self) -> Table:
        """Return it for people."""
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in ("account", "profile", "status"):
            table.add_column(name, no_wrap=True)
        table.add_column("", overflow="fold")
        for account in self.accounts:
            table.add_row(account.account_id, account.profile, account.status, account.detail)
        for unit in self.without_effect:
            table.add_row(
                unit, "", "", "no target: accounts that join it get no role by themselves"
            )
        return table


def account_roles(
    config: Config,
    instances: Mapping[str, Instance],
    excused: Mapping[str, str],
    reasons: Mapping[str, str],
) -> list[Account]:
    """Return where each source stands, and each other account that has the role.

    Args:
        config: Has the sources.
        instances: By account id.
        excused: Why it is no failure that an account has no role, by account id.
        reasons: Why it is one, as far as it is known.
    """
    found: list[Account] = []
    for source in config.sources:
        instance = instances.get(source.account_id)
        if instance is not None and source.role_arn is not None:
            found.append(_account(instance, f"not used: the source has {source.role_arn}"))
        elif instance is not None:
            found.append(_account(instance, must_work=True))
        elif source.role_arn is None:
            why = excused.get(source.account_id)
            detail = why or reasons.get(source.account_id) or NO_ROLE
            is_failed = why is None
            found.append(Account(source.account_id, source.profile, "NONE", detail, is_failed))
    sources = {source.account_id for source in config.sources}
    others = [each for account_id, each in instances.items() if account_id not in sources]
    for each in others:
        taken_out = f"no source any more: the role still lets the exporter of {each.profile} in"
        detail = NOT_A_SOURCE if each.profile == UNLISTED else taken_out
        found.append(_account(each, detail, must_work=True))
    return found


def _account(instance: Instance, detail: str = "", *, must_work: bool = False) -> Account:
    """Return where the account of an instance stands.

    Args:
        instance: Of the stack set.
        detail: What to say of it when it is current.
        must_work: Whether it is a failure when it is not.
    """
    is_current = instance.status == "CURRENT"
    if instance.status == "INOPERABLE":
        detail = f"{instance.reason} (delete its instance, retaining the stack, then the stack)"
    elif not is_current:
        detail = instance.reason
    is_failed = must_work and not is_current
    return Account(instance.account_id, instance.profile, instance.status, detail, is_failed)
