import pytest

from localstack_addons.account.limits import LAMBDA, READS, Limits
from localstack_addons.refusals import Refusal

SHOP = "444455556666"


def test_a_region_that_is_off_is_enabled_by_its_account_alone():
    limits = Limits()
    limits.change({"account": SHOP, "region_off": "eu-west-1"})

    asked = {"RegionName": "eu-west-1"}
    limits.answer("EnableRegion", "111122223333", asked)
    assert limits.answer("GetRegionOptStatus", SHOP, asked)["RegionOptStatus"] == "DISABLED"
    limits.answer("EnableRegion", SHOP, asked)

    assert limits.answer("GetRegionOptStatus", SHOP, asked)["RegionOptStatus"] == "ENABLED"
    assert not limits.is_off(SHOP, "eu-west-1")


def test_a_quota_that_was_lowered_is_listed_and_raised():
    limits = Limits()
    limits.change({"account": SHOP, "quota": READS, "value": 3})
    limits.change({"account": SHOP, "quota": LAMBDA, "value": 10})

    [reads] = limits.answer("ListServiceQuotas", SHOP, {"ServiceCode": "logs"})["Quotas"]
    assert (reads["Value"], reads["QuotaName"].split()[0]) == (3.0, "FilterLogEvents")
    asked = {"ServiceCode": "lambda", "QuotaCode": "L-B99A9384", "DesiredValue": 1000.0}
    limits.answer("RequestServiceQuotaIncrease", SHOP, asked)
    assert limits.quota(SHOP, LAMBDA) == 1000
    assert limits.quota("111122223333", READS) == 25
    with pytest.raises(Refusal, match="Not more"):
        limits.answer("RequestServiceQuotaIncrease", SHOP, asked)


def test_the_accounts_of_an_organisation_are_told_to_its_management_account_alone():
    limits = Limits()
    limits.change({"account": "111122223333", "organisation": {SHOP: "shop"}})

    told = limits.answer("ListAccounts", "111122223333", {})["Accounts"]
    assert [each["Id"] for each in told] == ["111122223333", SHOP]
    with pytest.raises(Refusal, match="not a member of an organization"):
        limits.answer("ListAccounts", SHOP, {})


def test_what_is_not_known_is_refused():
    with pytest.raises(Refusal, match="CloseAccount"):
        Limits().answer("CloseAccount", SHOP, {})
