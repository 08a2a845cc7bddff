"""What is broken in a deployed hub is found, named, and mended by the very commands shown.

On LocalStack, with permissions enforced. Run by `make doctor-check`: each of these breaks one
thing, looks, does what it is told, and looks again.
"""

import json
import shlex
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore import xform_name
from cli.tests.conftest import Run
from cli.tests.skewed import Clock, elsewhere
from tests.deployed import deployed

from devstack.suite import REGION, Suite
from logferry import __version__
from logferry.checkout import TEMPLATES
from logferry.commands import deployment
from logferry.commands.console import DONE
from logferry.config import Config
from logferry.package import Zip
from logferry.role_policy import needs
from logferry.template import load_template
from logferry_contracts.open_exports import whole_key

pytestmark = pytest.mark.localstack

PROFILES = ("epsilon", "zeta")
BROKEN = PROFILES[0]
FILE = "organization.yaml"


class World:
    """A deployed hub, looked at and mended by the command."""

    def __init__(self, suite: Suite, folder: Path) -> None:
        self.suite, self.folder = suite, folder
        told = {"alarm_action_arn": f"arn:aws:sns:{REGION}:{suite.hub_account_id}:alarms"}
        document = suite.config.model_dump(mode="json", exclude_none=True) | told
        self.config = Config.model_validate(document)
        (folder / FILE).write_text(yaml.safe_dump(document))
        self.source = suite.source(BROKEN).account_id
        self.run: Run
        self.environment: pytest.MonkeyPatch

    def client(self, service: str) -> Any:
        return self.suite.client(service)

    def of_source(self, service: str) -> Any:
        return self.suite.client(service, self.source)

    def command(self, *words: str, account_id: str = "") -> tuple[int, str]:
        """Run a command of ours with an account's credentials, the hub's if it is not said."""
        self.environment.setenv("AWS_ACCESS_KEY_ID", account_id or self.suite.hub_account_id)
        code, out, err = self.run(*words)
        return code, out or err

    def looked_at(self) -> list[dict[str, Any]]:
        """Return what is found, by the hub's credentials and by the source's."""
        found: list[dict[str, Any]] = []
        for account_id in (self.suite.hub_account_id, self.source):
            _, out = self.command("doctor", FILE, "--json", account_id=account_id)
            found += json.loads(out)
        return found

    def wrong(self) -> list[dict[str, Any]]:
        """Return what of it is wrong."""
        return [each for each in self.looked_at() if each["verdict"] == "wrong"]

    def told(self, check: str) -> list[str]:
        """Return what is told of a check, of which nothing is wrong."""
        found = [each for each in self.looked_at() if each["check"] == check]
        assert {each["verdict"] for each in found} == {"ok"}, found
        return [each["why"] for each in found if each["why"]]

    def mend(self, command: str) -> None:
        """Do what was shown, as somebody who says yes and has the account's credentials."""
        program, *words = shlex.split(command)
        if program == "aws":
            account_id = self.source if words[0] == "account" else self.suite.hub_account_id
            self.environment.setenv("AWS_ACCESS_KEY_ID", account_id)
            call_by_words(words)
            return
        assert program == "logferry"
        yes = ["--yes"] if words[0] == "deploy" else []
        account_id = self.source if words[0] == "deploy-source-account" else ""
        code, said = self.command(*words, *yes, account_id=account_id)
        assert code == DONE, said


def call_by_words(words: list[str]) -> None:
    """Call AWS as its command line would: ``kms enable-key --key-id ...``."""
    service, operation, *options = words
    said = dict(zip(options[::2], options[1::2], strict=True))
    region = said.pop("--region")
    client = boto3.Session().client(service, region_name=region)  # type: ignore[call-overload]
    name = client.meta.method_to_api_mapping[operation.replace("-", "_")]
    shape = client.meta.service_model.operation_model(name).input_shape
    members = {f"--{xform_name(each, '-')}": each for each in shape.members}
    kinds: dict[str, Callable[[str], Any]] = {"list": lambda value: [value], "double": float}
    values = {
        members[option]: kinds.get(shape.members[members[option]].type_name, str)(value)
        for option, value in said.items()
    }
    getattr(client, operation.replace("-", "_"))(**values)


@pytest.fixture(scope="module")
def made(localstack: str, zips: list[Zip], tmp_path_factory: pytest.TempPathFactory) -> World:
    """A hub that is as it should be, once its alarms tell somebody and its ledger is indexed."""
    suite = deployed(localstack, zips, *PROFILES, name="doctored")
    return World(suite, tmp_path_factory.mktemp("doctored"))


@pytest.fixture
def world(made: World, zips: list[Zip], logferry: Run, monkeypatch: pytest.MonkeyPatch) -> World:
    made.run, made.environment = logferry, monkeypatch
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.suite.endpoint)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setattr(deployment, "build_zips", lambda *_, **__: zips)
    return made


def test_before_anything_is_broken_it_says_what_is_left_to_do(world: World) -> None:
    for each in world.wrong():
        for command in each["mend"]:
            world.mend(command)
    assert world.wrong() == []


type Break = Callable[[World], object]


def schedule_off(world: World) -> None:
    scheduler, name = world.client("scheduler"), f"doctored-{BROKEN}"
    known = scheduler.get_schedule(Name=name)
    kept = ("Target", "FlexibleTimeWindow", "ScheduleExpression", "Name")
    scheduler.update_schedule(**{each: known[each] for each in kept}, State="DISABLED")


def schedule_gone(world: World) -> None:
    world.client("scheduler").delete_schedule(Name=f"doctored-{BROKEN}")


def mapping_off(world: World) -> None:
    function = f"log-sqs-{BROKEN}-collect-fifoSQSConsumer"
    functions = world.client("lambda")
    [mapping, *_] = functions.list_event_source_mappings(FunctionName=function)[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def queue_impatient(world: World) -> None:
    url = world.suite.queue_url(f"log-sqs-{BROKEN}-collect.fifo")
    world.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})


def alarm_silenced(world: World) -> None:
    world.client("cloudwatch").disable_alarm_actions(AlarmNames=["doctored-planner-errors"])


def key_off(world: World) -> None:
    kms = world.client("kms")
    key_id = kms.describe_key(KeyId="alias/doctored")["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key_id)


def key_closed(world: World) -> None:
    kms = world.client("kms")
    key_id = kms.describe_key(KeyId="alias/doctored")["KeyMetadata"]["KeyId"]
    policy = json.loads(kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"])
    left = json.dumps(policy | {"Statement": policy["Statement"][:1]})
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=left)


def archive_open(world: World) -> None:
    world.client("s3").delete_bucket_policy(Bucket=world.config.archive_bucket)


def archive_with_acls(world: World) -> None:
    world.client("s3").put_bucket_ownership_controls(
        Bucket=world.config.archive_bucket,
        OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
    )


def archive_public(world: World) -> None:
    world.client("s3").delete_public_access_block(Bucket=world.config.archive_bucket)


def of_other_settings(world: World) -> None:
    change_stack(
        world.client("cloudformation"),
        "doctored-observability",
        TemplateBody=(TEMPLATES / "observability.yaml").read_text(),
        Parameters=[
            {"ParameterKey": "Name", "ParameterValue": "doctored"},
            {"ParameterKey": "GapHours", "ParameterValue": "77"},
        ],
    )


def of_another_release(template: str) -> str:
    """Return a template that lets one thing more be, as another release's may."""
    document = load_template((TEMPLATES / template).read_text("utf-8"))
    document["Outputs"] = {**document.get("Outputs", {}), "OfAnotherRelease": {"Value": "yes"}}
    return json.dumps(document)


def hub_of_another_release(world: World) -> None:
    replace_template(world.client("cloudformation"), "doctored-observability", "observability.yaml")


def code_of_another_release(world: World) -> None:
    """The same code, under the key that another release's would have."""
    stacks, name = world.client("cloudformation"), "doctored-sse-enforcer"
    [there] = stacks.describe_stacks(StackName=name)["Stacks"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in there["Parameters"]}
    bucket = world.suite.parameter("/doctored/artifacts/bucket")
    key = values["CodeKey"].replace(f"/{__version__}-", "/0.1.9-")
    source = {"Bucket": bucket, "Key": values["CodeKey"]}
    world.client("s3").copy_object(Bucket=bucket, Key=key, CopySource=source)
    of_other = (values | {"CodeKey": key}).items()
    parameters = [{"ParameterKey": each, "ParameterValue": value} for each, value in of_other]
    body = (TEMPLATES / "sse-enforcer.yaml").read_text()
    change_stack(stacks, name, TemplateBody=body, Parameters=parameters)


def replace_template(stacks: Any, name: str, template: str) -> None:
    """Have a stack of another release, with the values that it has."""
    [there] = stacks.describe_stacks(StackName=name)["Stacks"]
    # No change set: once another was carried out, LocalStack 4.14 refuses one of outputs alone.
    stacks.update_stack(
        StackName=name,
        TemplateBody=of_another_release(template),
        Parameters=there["Parameters"],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    wait_until_updated(stacks, name)


def change_stack(stacks: Any, name: str, **wanted: Any) -> None:
    """Update a stack, and wait until it is.

    By a change set: LocalStack 4.14 takes what the last executed one has made for what is there,
    so that after ``update_stack`` the next one leaves out what is as it was before.
    """
    of_it = {"StackName": name, "ChangeSetName": "of-somebody-else"}
    stacks.create_change_set(
        **of_it, ChangeSetType="UPDATE", Capabilities=["CAPABILITY_NAMED_IAM"], **wanted
    )
    stacks.get_waiter("change_set_create_complete").wait(
        **of_it, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    stacks.execute_change_set(**of_it)
    wait_until_updated(stacks, name)


def wait_until_updated(stacks: Any, name: str) -> None:
    stacks.get_waiter("stack_update_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def stack_gone(world: World) -> None:
    stacks, name = world.client("cloudformation"), "doctored-observability"
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def not_indexed(world: World) -> None:
    key = whole_key(world.suite.source(BROKEN))
    world.client("s3").delete_object(Bucket=world.config.control_bucket, Key=key)


def without(iam: Any, role: str, action: str) -> None:
    """Take an action out of a role's policies."""
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for statement in document["Statement"]:
            actions = statement["Action"]
            all_of_it = actions if isinstance(actions, list) else [actions]
            statement["Action"] = [each for each in all_of_it if each != action]
        document["Statement"] = [each for each in document["Statement"] if each["Action"]]
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def planner_reaches_nobody(world: World) -> None:
    without(world.client("iam"), "doctored-planner", "sts:AssumeRole")


def exporter_takes_nothing(world: World) -> None:
    without(world.client("iam"), f"doctored-exporter-{BROKEN}", "sqs:ReceiveMessage")


def role_gone(world: World) -> None:
    iam, role = world.of_source("iam"), "doctored-source"
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    iam.delete_role(RoleName=role)


def role_trusts_nobody(world: World) -> None:
    nobody = {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": "*"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [nobody]})
    world.of_source("iam").update_assume_role_policy(
        RoleName="doctored-source", PolicyDocument=trust
    )


def too_few_executions(world: World) -> None:
    quota = {"account": world.suite.hub_account_id, "quota": "lambda/L-B99A9384", "value": 31}
    world.suite.control("limits", quota)


def region_off(world: World) -> None:
    world.suite.control("limits", {"account": world.source, "region_off": REGION})


def reads_too_slow(world: World) -> None:
    quota = {"account": world.source, "quota": "logs/L-32C48FDC", "value": 2}
    world.suite.control("limits", quota)


SCHEDULE = ("resource", f"doctored-exporter-{BROKEN} Schedule")
BROKEN_THINGS: dict[Break, tuple[str, str]] = {
    schedule_off: SCHEDULE,
    schedule_gone: SCHEDULE,
    mapping_off: ("resource", f"doctored-exporter-{BROKEN} Mapping"),
    queue_impatient: ("resource", f"doctored-exporter-{BROKEN} Queue"),
    alarm_silenced: ("alarms", "doctored-planner-errors"),
    key_off: ("key", "alias/doctored"),
    key_closed: ("resource", "doctored-archive Key"),
    archive_open: ("resource", "doctored-archive ArchivePolicy"),
    archive_with_acls: ("resource", "doctored-archive Archive"),
    archive_public: ("resource", "doctored-archive Archive"),
    of_other_settings: ("stack", "doctored-observability"),
    hub_of_another_release: ("stack", "doctored-observability"),
    code_of_another_release: ("stack", "doctored-sse-enforcer"),
    stack_gone: ("stack", "doctored-observability"),
    not_indexed: ("index", BROKEN),
    planner_reaches_nobody: ("resource", "doctored-planner Role"),
    exporter_takes_nothing: ("resource", f"doctored-exporter-{BROKEN} Role"),
    too_few_executions: ("concurrency", REGION),
    region_off: ("plan", BROKEN),
}


@pytest.mark.parametrize(
    ("break_it", "named"), BROKEN_THINGS.items(), ids=[each.__name__ for each in BROKEN_THINGS]
)
def test_what_is_broken_in_the_hub_is_named_alone_and_mended_as_shown(
    world: World, break_it: Break, named: tuple[str, str]
) -> None:
    break_it(world)

    found = world.wrong()

    assert [(each["check"], each["subject"]) for each in found] == [named], found
    for command in found[0]["mend"]:
        world.mend(command)
    assert world.wrong() == []


def test_a_quota_of_reads_that_is_lower_than_what_is_used_is_named_and_mended_as_shown(
    world: World,
) -> None:
    reads_too_slow(world)

    [found] = world.wrong()

    assert (found["check"], found["subject"]) == ("reads", BROKEN)
    assert "set direct_lane.calls_per_second" in found["why"]
    document = yaml.safe_load((world.folder / FILE).read_text())
    document["direct_lane"]["calls_per_second"] = 2
    (world.folder / FILE).write_text(yaml.safe_dump(document))
    for command in found["mend"]:
        world.mend(command)
    assert world.wrong() == []


@pytest.mark.parametrize(
    "break_it", [role_gone, role_trusts_nobody], ids=lambda each: each.__name__
)
def test_a_role_that_lets_nobody_in_is_named_from_both_sides_and_mended_as_shown(
    world: World, break_it: Break
) -> None:
    break_it(world)
    assert_role_is_mended(world)


def test_a_source_account_of_another_release_than_this_checkout_is_named_and_mended_as_shown(
    world: World,
) -> None:
    stacks = world.of_source("cloudformation")
    replace_template(stacks, "doctored-source", "source-account.yaml")

    [found] = assert_role_is_mended(world)

    assert found["why"] == f"deployed by another release than this checkout, {__version__}"


def test_accounts_of_the_organisation_that_are_no_source_are_named(world: World) -> None:
    """Whoever leaves one out may have a reason: it is no fault, and told."""
    others = {"999999999999": "sandbox", world.source: BROKEN}
    assert world.told("organisation") == []
    world.suite.control("limits", {"account": world.suite.hub_account_id, "organisation": others})

    assert world.told("organisation") == [
        "of the organisation, and no source: 999999999999 (sandbox)"
    ]
    assert world.wrong() == []


def test_a_task_of_somebody_else_in_the_slot_is_named_for_as_long_as_it_runs(world: World) -> None:
    with world.suite.busy_slot(BROKEN) as task_id:
        [told] = world.told("tasks")
        assert told == f"others' export tasks, for which the slot waits: {task_id}"
        assert world.wrong() == []
    assert world.told("tasks") == []


@pytest.fixture
def skewed(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """AWS as a machine sees it whose clock is off."""
    with elsewhere(world.suite.endpoint) as (endpoint, clock):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield clock


@pytest.mark.parametrize("minutes", [-3, 3])
def test_a_clock_that_is_off_is_named_alone_and_told_how_to_be_set(
    world: World, skewed: Clock, minutes: int
) -> None:
    skewed.ahead = timedelta(minutes=minutes)

    found = world.wrong()

    assert {(each["check"], each["subject"]) for each in found} == {("clock", "this machine")}
    assert {tuple(each["mend"]) for each in found} == {("sudo timedatectl set-ntp true",)}
    off = {int(each["why"].split()[0]) for each in found}
    assert {abs(each + minutes * 60) <= 5 for each in off} == {True}, off
    # What timedatectl does to this machine's clock.
    skewed.ahead = timedelta()
    assert world.wrong() == []


ACTIONS = sorted(
    {
        each.action
        for each in needs(
            partition="aws", region=REGION, account_id="", hub="", bucket="", profile=""
        )
    }
)


@pytest.mark.parametrize("action", ACTIONS)
def test_each_permission_of_both_lanes_is_named_where_it_lacks_and_mended_as_shown(
    world: World, action: str
) -> None:
    without(world.of_source("iam"), "doctored-source", action)

    found = assert_role_is_mended(world)

    assert action in found[-1]["why"]


def assert_role_is_mended(world: World) -> list[dict[str, Any]]:
    """Look from both sides, do what is shown, look again; return what was found."""
    found = world.wrong()
    assert found
    assert {each["subject"].split()[0] for each in found} <= {BROKEN, "doctored-source"}, found
    [mend] = {command for each in found for command in each["mend"]}
    world.mend(mend)
    assert world.wrong() == []
    return found


def tasks_of(world: World) -> list[str]:
    """Return the log groups of the source's export tasks, but for those of somebody else."""
    tasks = world.of_source("logs").describe_export_tasks()["exportTasks"]
    names = [each["logGroupName"] for each in tasks]
    return [each for each in names if not each.startswith("/somebody-else/")]


def test_looking_has_asked_for_nothing(world: World) -> None:
    """A look changes nothing: no record, message or task has come of all these."""
    assert world.suite.ledger() == []
    assert tasks_of(world) == []
