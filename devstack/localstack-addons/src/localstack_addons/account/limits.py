"""Regions that an account has not enabled, quotas, and the accounts of an organisation.

`/_devstack/limits` takes POST (change what is named), and DELETE (all is as it was):

    {"account": "444455556666", "region_off": "eu-west-1"}
    {"account": "444455556666", "quota": "logs/L-32C48FDC", "value": 3}
    {"account": "111122223333", "quota": "lambda/L-B99A9384", "value": 30}
    {"account": "111122223333", "organisation": {"444455556666": "shop"}}

From documentation: EnableRegion, GetRegionOptStatus and its status
(https://docs.aws.amazon.com/accounts/latest/reference/API_EnableRegion.html and the next page);
RegionDisabledException of AssumeRole
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html); ListServiceQuotas and
RequestServiceQuotaIncrease (https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/);
that Lambda's account limit is the quota L-B99A9384
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); ListAccounts
(https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html).

Unverified, chosen here: the code of FilterLogEvents' quota, and the words of refusals.

Not as on AWS: a Region is enabled, and a quota raised, at once, which takes minutes to days there;
any Region can be off, also one that AWS enables by default; Lambda's limit is that of all accounts;
the account that is named is the management account, and its organisation's accounts are no others'.
"""

import json
from typing import Any

from localstack_addons.refusals import Refusal

PATH = "/_devstack/limits"
LAMBDA = "lambda/L-B99A9384"
READS = "logs/L-32C48FDC"
NAMES = {
    LAMBDA: "Concurrent executions",
    READS: "FilterLogEvents throttle limit in transactions per second",
}
DEFAULTS = {LAMBDA: 1000.0, READS: 25.0}


class Limits:
    """What accounts may use."""

    def __init__(self) -> None:
        self._off: set[tuple[str, str]] = set()
        self._quotas: dict[tuple[str, str], float] = {}
        self._organisations: dict[str, dict[str, str]] = {}

    def change(self, asked: dict[str, Any]) -> None:
        """Do what the control route was asked."""
        if "region_off" in asked:
            self._off.add((asked["account"], asked["region_off"]))
        if "quota" in asked:
            self._quotas[asked["account"], asked["quota"]] = float(asked["value"])
        if "organisation" in asked:
            self._organisations[asked["account"]] = asked["organisation"]

    def quota(self, account_id: str, quota: str) -> float:
        """How much an account may."""
        return self._quotas.get((account_id, quota), DEFAULTS[quota])

    def of_all(self, quota: str) -> list[float]:
        """How much each account may that has other than most."""
        return [value for (_, each), value in self._quotas.items() if each == quota]

    def is_off(self, account_id: str, region: str) -> bool:
        """Whether an account has not enabled a Region."""
        return (account_id, region) in self._off

    def answer(self, operation: str, account_id: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer an operation of the services account, service-quotas and organizations.

        Raises:
            Refusal: It is not known here, or not allowed.
        """
        if operation in {"EnableRegion", "GetRegionOptStatus"}:
            return self._region(operation, asked.get("AccountId", account_id), asked["RegionName"])
        if operation == "ListServiceQuotas":
            of_service = [each for each in NAMES if each.startswith(f"{asked['ServiceCode']}/")]
            return {"Quotas": [self._quota(account_id, each) for each in of_service]}
        if operation == "ListAccounts":
            if (names := self._organisations.get(account_id)) is None:
                told = "Your account is not a member of an organization."
                raise Refusal("AWSOrganizationsNotInUseException", told, 400)
            accounts = [(account_id, "management"), *names.items()]
            return {"Accounts": [{"Id": i, "Name": n, "Status": "ACTIVE"} for i, n in accounts]}
        if operation == "RequestServiceQuotaIncrease":
            quota = f"{asked['ServiceCode']}/{asked['QuotaCode']}"
            if quota not in NAMES:
                raise Refusal("NoSuchResourceException", f"No quota {quota}.", 400)
            if asked["DesiredValue"] <= self.quota(account_id, quota):
                raise Refusal("IllegalArgumentException", "Not more than there is.", 400)
            self._quotas[account_id, quota] = asked["DesiredValue"]
            return {"RequestedQuota": {"Status": "APPROVED", "DesiredValue": asked["DesiredValue"]}}
        raise Refusal("NotImplemented", f"{operation} is not known here.", 501)

    def _region(self, operation: str, account_id: str, region: str) -> dict[str, Any]:
        if operation == "EnableRegion":
            self._off.discard((account_id, region))
            return {}
        status = "DISABLED" if self.is_off(account_id, region) else "ENABLED"
        return {"RegionName": region, "RegionOptStatus": status}

    def _quota(self, account_id: str, quota: str) -> dict[str, Any]:
        service, code = quota.split("/")
        value = self.quota(account_id, quota)
        named = {"ServiceCode": service, "QuotaCode": code, "QuotaName": NAMES[quota]}
        return {**named, "Value": value, "Adjustable": quota == LAMBDA}


_limits = Limits()


def install() -> None:
    """Answer for these services, refuse in Regions that are off, and serve the control route."""
    from localstack.aws import handlers  # noqa: PLC0415
    from localstack.services.edge import ROUTER  # noqa: PLC0415

    handlers.serve_custom_service_request_handlers.append(_on_arrival)
    ROUTER.add(PATH, _control, methods=["POST", "DELETE"])


def _control(request: Any) -> Any:
    global _limits  # noqa: PLW0603  all is as it was
    from localstack.http import Response  # noqa: PLC0415

    if request.method == "DELETE":
        _limits = Limits()
    else:
        _limits.change(json.loads(request.get_data()))
    _limit_lambda(_limits)
    return Response.for_json({})


def _limit_lambda(limits: Limits) -> None:
    """Let LocalStack's Lambda have what is the least of all accounts."""
    from localstack import config  # noqa: PLC0415

    least = min([DEFAULTS[LAMBDA], *limits.of_all(LAMBDA)])
    config.LAMBDA_LIMITS_CONCURRENT_EXECUTIONS = int(least)


def _on_arrival(chain: Any, context: Any, response: Any) -> None:
    """Answer what LocalStack has no service for, and refuse what an account has not enabled."""
    from localstack.aws.api import CommonServiceException  # noqa: PLC0415

    service = context.service.service_name if context.operation else None
    asked = context.service_request or {}
    if service == "sts" and context.operation.name == "AssumeRole":
        # Whether it is an ARN at all is STS's to say.
        account_id = "".join(asked["RoleArn"].split(":")[4:5])
        if _limits.is_off(account_id, context.region):
            told = f"STS is not activated in this region for account:{account_id}."
            raise CommonServiceException("RegionDisabledException", told, 403)
    if service in {"account", "service-quotas", "organizations"}:
        try:
            answer = _limits.answer(context.operation.name, context.account_id, asked)
        except Refusal as error:
            raise CommonServiceException(error.code, error.message, error.status) from error
        _limit_lambda(_limits)
        _answer(chain, context, response, answer)


def _answer(chain: Any, context: Any, response: Any, answer: dict[str, Any]) -> None:
    from localstack.aws.protocol.serializer import create_serializer  # noqa: PLC0415

    serializer = create_serializer(context.service)
    made = serializer.serialize_to_response(
        answer, context.operation, context.request.headers, context.request_id
    )
    response.update_from(made)
    chain.stop()
