"""What somebody has changed in a stack's resources behind CloudFormation's back, and its mending.

The template that was deployed is compared with what the services answer, for the types in `KINDS`:
those that events, requests and their keeping hang on.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from logferry.change import Change, Difference, difference
from logferry.drift_kinds import KINDS
from logferry.drift_resource import Clients, Resource, comparable
from logferry.drift_roles import ROLE, policies_of
from logferry.stack import CLIENT_CONFIG, Deployed, Progress, Stacks, Watch, told_about
from logferry.template import Resolved, load_template

if TYPE_CHECKING:
    import boto3

MEND = "Mend"
"""The action of a `Change` that is a drift, to be undone."""


def find(clients: Clients, deployed: Deployed) -> list[Change]:
    """Return what differs in a stack's resources from its own template, resource by resource.

    Raises:
        DeployError: A service does not say.
    """
    with told_about(deployed.name):
        return [
            Change(MEND, each.logical_id, each.resource_type, replaces=False, differences=found)
            for each in _resources(deployed)
            if (found := _differences(clients, each))
        ]


def mend(clients: Clients, stacks: Stacks, name: str, watch: Watch) -> None:
    """Bring a stack's resources back to what its template says, those that it makes again last.

    The others in the order in which they need each other.

    Raises:
        DeployError: A service, or CloudFormation, refuses.
    """
    deployed = stacks.deployed(name)
    if deployed is None:
        return
    gone: list[str] = []
    with told_about(name):
        order = list(KINDS)
        for each in sorted(_resources(deployed), key=lambda it: order.index(it.resource_type)):
            kind = KINDS[each.resource_type]
            if not _differences(clients, each):
                continue
            if kind.has_own_id and kind.read(clients, each) is None:
                gone.append(each.logical_id)
            else:
                kind.put(clients, each)
    if gone:
        stacks.make_again(deployed, gone)
    watch(Progress(name, "mended", is_final=True))


def clients_of(session: "boto3.Session", region: str) -> Clients:
    """Return clients of a Region, each made when it is needed first."""
    made: dict[str, Any] = {}
    # Several threads want one at once, and making one is not for several threads.
    # https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions
    making = threading.Lock()

    def client(service: str) -> Any:
        with making:
            if service not in made:
                made[service] = session.client(
                    service,  # type: ignore[call-overload]  # any service
                    region_name=region,
                    config=CLIENT_CONFIG,
                )
            return made[service]

    return client


def _resources(deployed: Deployed) -> Iterator[Resource]:
    resolved = Resolved(
        load_template(deployed.template),
        deployed.parameters,
        account_id=deployed.account_id,
        region=deployed.region,
        physical_ids=deployed.physical_ids,
    )
    for logical_id, resource in resolved.resources.items():
        if (kind := KINDS.get(resource["Type"])) and logical_id in deployed.physical_ids:
            properties = {**kind.defaults, **resource["Properties"]}
            if resource["Type"] == ROLE:
                properties["Policies"] = policies_of(logical_id, resolved.resources)
            physical_id = deployed.physical_ids[logical_id]
            yield Resource(logical_id, resource["Type"], physical_id, properties)


def _differences(clients: Clients, resource: Resource) -> list[Difference]:
    actual = KINDS[resource.resource_type].read(clients, resource)
    if actual is None:
        return [Difference(resource.physical_id, None, "as in the template")]
    return [
        each
        for name in actual
        if name in resource.properties
        and comparable(actual[name]) != comparable(resource.properties[name])
        for each in _parts(name, actual[name], resource.properties[name])
    ]


def _parts(name: str, actual: Any, wanted: Any) -> list[Difference]:
    """Return what differs in a property, by the names of its parts where both have such."""
    if not (isinstance(actual, Mapping) and isinstance(wanted, Mapping)):
        return [difference(name, _text(actual), _text(wanted))]
    return [
        part
        for key in sorted({*actual, *wanted})
        if comparable(actual.get(key)) != comparable(wanted.get(key))
        for part in _parts(f"{name}/{key}", actual.get(key), wanted.get(key))
    ]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str)
