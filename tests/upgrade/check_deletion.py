"""Stacks deleted while others go on, and deployed again, on LocalStack."""

import pytest

from logferry.hub import destroy_hub
from logferry.plan import plan as ask_for_plan
from logferry.plan import plan_request
from logferry.sweep import sweep

pytestmark = pytest.mark.localstack


@pytest.fixture(scope="module")
def profiles():
    return ("alpha", "beta")


@pytest.fixture(scope="module")
def suite(hub, current):
    current()
    return hub


@pytest.fixture
def destroy(hub, session):
    """Delete stacks as `logferry destroy` does, and see that the archive is as it was."""

    def kept():
        s3, bucket = hub.client("s3"), hub.archive_bucket
        for each in s3.list_object_versions(Bucket=bucket)["Versions"]:
            version = {"Key": each["Key"], "VersionId": each["VersionId"]}
            head = s3.head_object(Bucket=bucket, **version)
            protection = head["SSEKMSKeyId"], head.get("ObjectLockLegalHoldStatus")
            yield (*version.values(), head["ETag"], *protection)

    def destroy(*only):
        before = set(kept())
        destroy_hub(session, hub.config, only=only)
        assert before <= set(kept())  # a task that runs goes on and writes
        key = hub.client("kms").describe_key(KeyId=hub.kms_key_arn)["KeyMetadata"]
        assert key["KeyState"] == "Enabled"

    return destroy


@pytest.fixture
def sweep_at_once(hub):
    """Let the sweep look at what is younger than an hour as well."""
    functions, name = hub.client("lambda"), "logferry-sse-enforcer-sweep"

    def configure():
        environment = functions.get_function_configuration(FunctionName=name)["Environment"]
        environment["Variables"]["SWEEP_GRACE_MINUTES"] = "0"
        functions.update_function_configuration(FunctionName=name, Environment=environment)
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)

    return configure


def test_a_source_goes_on_without_the_exporter_of_another_which_then_takes_up_what_was_left(
    session, destroy, current, tap, plan, exports, yesterday
):
    exports.put("alpha", "kept", "running", "waiting")
    plan("alpha", exports.named("kept"))
    tap.until(lambda: exports.are("secured") and tap.idle())
    exports.run_for(20)  # longer than it takes to delete a stack
    plan("alpha", exports.named("running"))
    tap.until(lambda: exports.states()["running"] == "submitted")
    plan("alpha", exports.named("waiting"))
    destroy("exporter-alpha")

    exports.put("beta", "other")
    plan("beta", exports.named("other"))
    tap.until(lambda: exports.states()["other"] == "secured" and tap.idle())
    assert exports.states()["running"] == "submitted"
    assert exports.states()["waiting"] == "requested"

    exports.run_for(0.2)
    current()
    request = plan_request(
        exports.hub.config, "alpha", first=yesterday, last=yesterday, dry_run=False
    )
    ask_for_plan(session, exports.hub.config, request)
    tap.until(lambda: exports.are("secured") and tap.idle())
    assert exports.announced(tap) == ["kept", "other", "running", "waiting"]
    assert exports.archived() == exports.events
    assert exports.dead_letters() == {}


def test_exports_go_on_without_the_enforcer_whose_sweep_then_secures_them(
    session, destroy, current, sweep_at_once, tap, plan, exports
):
    exports.put("beta", "before", "meanwhile")
    plan("beta", exports.named("before"))
    tap.until(lambda: exports.are("secured") and tap.idle())
    destroy("sse-enforcer")
    plan("beta", exports.named("meanwhile"))
    tap.until(lambda: exports.announced(tap) == ["before", "meanwhile"])
    assert exports.states()["meanwhile"] == "completed"

    current(only=["sse-enforcer"])
    sweep_at_once()
    report, _ = sweep(session, exports.hub.config, dry_run=False, full=False)
    assert report.open_count == 0
    assert exports.are("secured")
    assert exports.archived() == exports.events
