"""The sweep does what no event has told the sse-enforcer to do, and says so, as deployed."""

import boto3
import pytest
from tests.alarms import Alarms

from devstack.suite import REGION
from logferry.hub import Options, deploy_hub
from logferry.sweep import sweep

pytestmark = pytest.mark.localstack

PROFILE = "alpha"
FUNCTION = "logferry-sse-enforcer-sweep"


@pytest.fixture
def session(suite, monkeypatch):
    """The operator's, in the hub's account."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", suite.endpoint)
    return boto3.Session(
        aws_access_key_id=suite.hub_account_id, aws_secret_access_key="any", region_name=REGION
    )


@pytest.fixture
def nobody_told(suite, session, zips):
    """Somebody has removed the enforcer's subscription; a deployment makes it again."""
    sns, topic_arn = suite.client("sns"), suite.config.topic_arn

    def subscribed():
        found = sns.list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]
        return [each for each in found if each["Endpoint"].endswith(":logferry-sse-enforcer")]

    [subscription] = subscribed()
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    yield
    deploy_hub(session, suite.config, zips, options=Options(only=("sse-enforcer",)))
    assert len(subscribed()) == 1


@pytest.fixture
def no_grace(suite):
    """What is young is looked at, too."""
    functions = suite.client("lambda")

    def configure(environment):
        functions.update_function_configuration(FunctionName=FUNCTION, Environment=environment)
        functions.get_waiter("function_updated_v2").wait(FunctionName=FUNCTION)

    before = functions.get_function_configuration(FunctionName=FUNCTION)["Environment"]
    configure({"Variables": before["Variables"] | {"SWEEP_GRACE_MINUTES": "0"}})
    yield
    configure(before)


def test_an_export_that_the_enforcer_was_not_told_of_is_secured_by_the_sweep_and_an_alarm_says_so(
    suite, session, tap, name, plan, records, some_logs, nobody_told, no_grace
):
    some_logs(PROFILE, name)
    plan(PROFILE, name)
    tap.until(lambda: tap.of("export.completed", name) and tap.idle())
    assert [r.state for r in records(name)] == ["completed"]
    alarms = Alarms(suite)
    assert not alarms.is_on("sse-enforcer-sweep-stood-in")

    sweep(session, suite.config, dry_run=False, full=False)
    assert [r.state for r in records(name)] == ["secured"]
    assert alarms.is_on("sse-enforcer-sweep-stood-in")
