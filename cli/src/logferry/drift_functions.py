"""How functions, and what has them called, are looked at and mended."""

import base64
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from logferry.drift_resource import (
    Clients,
    Kind,
    Resource,
    Values,
    comparable,
    numbers_in,
    some,
    tags_of,
)
from logferry.stack import looks

_COMPARED = ("Handler", "MemorySize", "Role", "Runtime", "Timeout")
_SETTINGS = (
    *_COMPARED,
    "Description",
    "Environment",
    "EphemeralStorage",
    "Layers",
    "LoggingConfig",
)
"""Of UpdateFunctionConfiguration, which has the template's names for them."""
_NOT_RESERVED = "none"
_INVOKE_PROPERTIES = ("DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts")
_MAPPING_PROPERTIES = ("BatchSize", "FunctionResponseTypes", "ScalingConfig")
_SHA256_IN_KEY = re.compile(r"-([0-9a-f]{64})\.zip$")
_HIDDEN = "****"
"""The value of a variable that is not ours, and may be a secret."""
_NOT_ASSUMABLE = "cannot be assumed"
"""What Lambda says of a role for some seconds after it was made.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""


def _function(clients: Clients, resource: Resource) -> Values | None:
    functions, wanted = clients("lambda"), resource.properties
    name = wanted["FunctionName"]
    found = some(lambda: functions.get_function_configuration(FunctionName=name))
    if found is None:
        return None
    loop = functions.get_function_recursion_config(FunctionName=name)
    reserved = functions.get_function_concurrency(FunctionName=name)
    ours = wanted["Environment"]["Variables"]
    variables = found.get("Environment", {}).get("Variables", {})
    logging = found.get("LoggingConfig", {})
    return {
        **{setting: found.get(setting) for setting in _COMPARED},
        "Architectures": found["Architectures"],
        "Code": _code(found["CodeSha256"], wanted["Code"]),
        "Environment": {
            "Variables": {
                variable: value if variable in ours else _HIDDEN
                for variable, value in variables.items()
            }
        },
        "Layers": [layer["Arn"] for layer in found.get("Layers", [])],
        "LoggingConfig": {each: logging.get(each) for each in wanted["LoggingConfig"]},
        "RecursiveLoop": loop["RecursiveLoop"],
        "ReservedConcurrentExecutions": reserved.get("ReservedConcurrentExecutions", _NOT_RESERVED),
    }


def _code(sha256: str, wanted: Mapping[str, str]) -> Mapping[str, str]:
    """Return where a function's code is from, by its hash, which is in the zip's key."""
    named = _SHA256_IN_KEY.search(wanted["S3Key"])
    actual = base64.b64decode(sha256).hex()
    return wanted if named is None or named[1] == actual else {"Sha256": actual}


def _put_function(clients: Clients, resource: Resource) -> None:
    functions, wanted = clients("lambda"), resource.properties
    name, actual = wanted["FunctionName"], _function(clients, resource)
    if actual is None:
        _make(functions, resource)
    else:
        _update(functions, resource, actual)
    if wanted["ReservedConcurrentExecutions"] == _NOT_RESERVED:
        functions.delete_function_concurrency(FunctionName=name)
    else:
        functions.put_function_concurrency(
            FunctionName=name,
            ReservedConcurrentExecutions=int(wanted["ReservedConcurrentExecutions"]),
        )
    functions.put_function_recursion_config(
        FunctionName=name, RecursiveLoop=wanted["RecursiveLoop"]
    )


def _make(functions: Any, resource: Resource) -> None:
    wanted = resource.properties
    name = wanted["FunctionName"]
    _once_assumable(
        name,
        lambda: functions.create_function(
            FunctionName=name,
            Architectures=wanted["Architectures"],
            Code=wanted["Code"],
            Tags=tags_of(resource),
            **_settings(wanted),
        ),
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)


def _update(functions: Any, resource: Resource, actual: Values) -> None:
    wanted = resource.properties
    name, updated = wanted["FunctionName"], functions.get_waiter("function_updated_v2")
    if any(
        comparable(actual[part]) != comparable(wanted[part]) for part in ("Architectures", "Code")
    ):
        functions.update_function_code(
            FunctionName=name, Architectures=wanted["Architectures"], **wanted["Code"]
        )
        updated.wait(FunctionName=name)
    _once_assumable(
        name,
        lambda: functions.update_function_configuration(FunctionName=name, **_settings(wanted)),
    )
    updated.wait(FunctionName=name)


def _settings(wanted: Mapping[str, Any]) -> Values:
    """Return a template's settings as Lambda takes them."""
    settings = {name: wanted[name] for name in _SETTINGS}
    numbers = {name: numbers_in(settings[name]) for name in ("MemorySize", "Timeout")}
    return {**settings, **numbers, "EphemeralStorage": numbers_in(settings["EphemeralStorage"])}


def _once_assumable(name: str, change: Callable[[], object]) -> None:
    """Change a function, once its role is known everywhere."""
    for _ in looks(name, time.sleep):
        try:
            change()
        except ClientError as error:
            if _NOT_ASSUMABLE not in error.response["Error"].get("Message", ""):
                raise
        else:
            return


def _invoke_config(clients: Clients, resource: Resource) -> Values | None:
    functions, wanted = clients("lambda"), resource.properties
    found = some(
        lambda: functions.get_function_event_invoke_config(
            FunctionName=wanted["FunctionName"], Qualifier=wanted["Qualifier"]
        )
    )
    if found is None:
        return None
    destinations = found.get("DestinationConfig", {})
    told = {name: found.get(name) for name in _INVOKE_PROPERTIES}
    return {**told, "DestinationConfig": {k: each for k, each in destinations.items() if each}}


def _put_invoke_config(clients: Clients, resource: Resource) -> None:
    wanted = resource.properties
    clients("lambda").put_function_event_invoke_config(
        FunctionName=wanted["FunctionName"],
        Qualifier=wanted["Qualifier"],
        **{name: numbers_in(wanted[name]) for name in _INVOKE_PROPERTIES},
    )


def _mapping(clients: Clients, resource: Resource) -> Values | None:
    uuid = resource.physical_id
    found = some(lambda: clients("lambda").get_event_source_mapping(UUID=uuid))
    if found is None:
        return None
    is_off = found["State"] in {"Disabled", "Disabling"}
    told = {name: found.get(name) for name in _MAPPING_PROPERTIES}
    return {**told, "ScalingConfig": found.get("ScalingConfig", {}), "Enabled": not is_off}


def _put_mapping(clients: Clients, resource: Resource) -> None:
    names = [name for name in _MAPPING_PROPERTIES if name in resource.properties]
    clients("lambda").update_event_source_mapping(
        UUID=resource.physical_id,
        Enabled=resource.properties["Enabled"],
        **{name: numbers_in(resource.properties[name]) for name in names},
    )


FUNCTIONS = {
    "AWS::Lambda::Function": Kind(
        _function,
        _put_function,
        {
            "EphemeralStorage": {"Size": 512},
            "Layers": [],
            "RecursiveLoop": "Terminate",
            "ReservedConcurrentExecutions": _NOT_RESERVED,
        },
    ),
    "AWS::Lambda::EventInvokeConfig": Kind(
        _invoke_config, _put_invoke_config, {"DestinationConfig": {}}
    ),
    "AWS::Lambda::EventSourceMapping": Kind(
        _mapping, _put_mapping, {"Enabled": True, "ScalingConfig": {}}, has_own_id=True
    ),
}
"""By the types of resources, in the order in which they need each other."""
