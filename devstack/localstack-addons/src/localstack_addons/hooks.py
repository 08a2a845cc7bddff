"""Where the add-ons enter LocalStack: a plux hook when installed, an init hook in Docker."""

import importlib
import os

from localstack.constants import VERSION
from localstack.http import Request
from localstack.runtime import hooks
from localstack.services.edge import ROUTER

ADD_ONS = (
    "http.answers",
    "http.content_types",
    "iam.managed_policies",
    "lambda_.executor",
    "export_tasks.api",
    "logs.log_groups",
    "logs.account_policies",
    "logs.insights",
    "logs.metrics",
    "kms.ed25519_keys",
    "s3.encryption_keys",
    "s3.object_encryption",
    "s3.object_etags",
    "s3.object_listing",
    "s3.restores",
    "s3.events",
    "s3.bucket_properties",
    "cloudformation.function_settings",
    "cloudformation.policy_updates",
    "cloudformation.retained",
    "cloudformation.url_suffix",
    "s3.policy_limits",
    "sqs.queues",
    "lambda_.states",
    "lambda_.polling",
    "scheduler.firing",
    "account.limits",
    "faults.api",
    "authorization.api",
)
STATUS_PATH = "/_devstack/status"

_installed: list[str] = []


def install() -> None:
    """Install every add-on, once. LocalStack must not have loaded a service before."""
    if _installed:
        return
    for name in ADD_ONS:
        # Here and not above: LocalStack reads the entry point long before it can be changed.
        importlib.import_module(f"localstack_addons.{name}").install()
        _installed.append(name)
    # Last, so that an answer means that everything is in.
    ROUTER.add(STATUS_PATH, status, methods=["GET"])


def status(_: Request) -> dict[str, object]:
    """Answer `GET /_devstack/status`."""
    return {"addons": _installed, "version": VERSION, "pid": os.getpid()}


# Before services are loaded eagerly (priority 0) and build their dispatch tables.
@hooks.on_infra_start(priority=100)  # type: ignore[untyped-decorator]  # LocalStack is not typed
def install_on_start() -> None:
    """Run by LocalStack when it starts."""
    install()
