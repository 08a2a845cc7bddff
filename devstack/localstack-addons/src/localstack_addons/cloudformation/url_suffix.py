"""Gives templates AWS's own domain for `AWS::URLSuffix`, by their Region's partition.

LocalStack 4.14 gives its own host, so that a service principal that ends with it is nobody's.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
"""

import functools
from typing import Any

from botocore.session import get_session
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import (
    ChangeSetModelPreproc,
)

_resolve_of_localstack = ChangeSetModelPreproc._resolve_pseudo_parameter  # noqa: SLF001


def install() -> None:
    """Resolve it in every template."""
    ChangeSetModelPreproc._resolve_pseudo_parameter = resolve  # noqa: SLF001


def resolve(model: ChangeSetModelPreproc, pseudo_parameter_name: str) -> Any:
    """Return a pseudo parameter's value."""
    if pseudo_parameter_name == "AWS::URLSuffix":
        return url_suffix(model._change_set.region_name)  # noqa: SLF001
    return _resolve_of_localstack(model, pseudo_parameter_name)


@functools.cache
def url_suffix(region: str) -> str:
    """Return the domain of the partition that a Region is in."""
    session = get_session()
    partition = session.get_partition_for_region(region)
    suffixes = {p["partition"]: p["dnsSuffix"] for p in session.get_data("endpoints")["partitions"]}
    return str(suffixes[partition])
