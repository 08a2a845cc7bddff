"""The suite as tests have it: of accounts that no other test has, with permissions enforced."""

import secrets

from devstack.suite import Suite
from logferry.package import Zip

PROFILES_APART = ("gamma", "delta")
"""The sources of the suite that has faults: those of an exporter go by its source's name."""


def deployed(localstack: str, zips: list[Zip], *profiles: str, name: str = "logferry") -> Suite:
    """Deploy the suite with some sources, from the templates and the real zips.

    Faults go by the names of functions, whatever account they are in: a suite whose functions are
    killed has a name of its own, and sources of their own.
    """
    accounts = {profile: str(10**11 + secrets.randbelow(10**11)) for profile in profiles}
    hub_account_id = str(2 * 10**11 + secrets.randbelow(10**11))
    suite = Suite(localstack, hub_account_id=hub_account_id, accounts=accounts, name=name)
    suite.enforce_permissions()
    suite.deploy(zips)
    return suite
