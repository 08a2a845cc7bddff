"""AWS's managed policies are read once, and each account gets a copy: they are 1,400.

Whoever first calls anything in an account makes its IAM, which reads all of them anew, for a tenth
of a second; a run of the tests has a thousand accounts.
"""

import copy
from collections.abc import Callable
from functools import wraps
from typing import Any


def install() -> None:
    """Put it before LocalStack adds its own policies to each account's."""
    from moto.iam.models import IAMBackend  # noqa: PLC0415

    IAMBackend._init_aws_policies = copied(IAMBackend._init_aws_policies)  # noqa: SLF001


def copied(read: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """Return what reads the policies for the first account, and copies those for any other."""
    of_partition: dict[str, list[Any]] = {}

    @wraps(read)  # LocalStack puts its own over it by its name
    def policies(backend: Any) -> list[Any]:
        read_once = of_partition.get(backend.partition)
        if read_once is None:
            read_once = of_partition[backend.partition] = read(backend)
        return [_of(policy, backend.account_id) for policy in read_once]

    return policies


def _of(policy: Any, account_id: str) -> Any:
    """An account's own: it counts what a policy is attached to there."""
    own = copy.copy(policy)
    own.account_id = account_id
    own.tags = dict(policy.tags)
    own.versions = list(policy.versions)
    return own
