"""The suite as tests have it: of accounts that no other test has, with permissions enforced."""

import secrets

from devstack.suite import Suite
from logferry.package import Zip


def deployed(localstack: str, zips: list[Zip], *profiles: str) -> Suite:
    """Deploy the suite with some sources, from the templates and the real zips."""
    accounts = {profile: str(10**11 + secrets.randbelow(10**11)) for profile in profiles}
    hub_account_id = str(2 * 10**11 + secrets.randbelow(10**11))
    suite = Suite(localstack, hub_account_id=hub_account_id, accounts=accounts)
    suite.enforce_permissions()
    suite.deploy(zips)
    return suite
