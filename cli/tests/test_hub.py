"""The stacks of a hub: which, with what parameters, in what order."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

from logferry import at_once as at_once_module
from logferry import hub
from logferry.command import main
from logferry.commands import deployment
from logferry.commands.console import DONE
from logferry.config import Config
from logferry.errors import ConfigError, DeclinedError, DeployError
from logferry.hub import Options, Outcome, deploy_hub, deploy_source_account, destroy_hub
from logferry.hub_stacks import hub_stacks
from logferry.package import Zip
from logferry.recount import RecountConfig
from logferry.services import SERVICES
from logferry.stack import Progress, Proposal, Stack, Stacks

EXPORTERS = ["logferry-exporter-pay-ments", "logferry-exporter-shop"]
SHARED = [f"logferry-{service.name}" for service in SERVICES if not service.is_per_source]
NAMES = [
    "logferry-artifacts",
    "logferry-archive",
    *(
        f"logferry-{name}"
        for service in reversed(SERVICES)
        if service.name != "recounter"  # which not every hub has
        for name in (
            ["exporter-pay-ments", "exporter-shop"] if service.is_per_source else [service.name]
        )
    ),
    "logferry-observability",
]


BUCKET = f"logferry-artifacts-{DEFAULT_ACCOUNT_ID}-eu-west-1"


class FakeStacks:
    """Stacks that change at once.

    Attributes:
        unchanged: The names of those with nothing to change.
        existing: The names of those that are there already.
        failing: The names of those that cannot be proposed.
        log: What happened, in order.
        dry_runs: Whether each was proposed in a dry run.
    """

    unchanged: set[str]
    existing: set[str]
    failing: set[str]
    log: list[tuple[str, str]]
    dry_runs: list[bool]

    def __init__(self, *_: object) -> None:
        self._lock = threading.Lock()

    @classmethod
    def reset(cls) -> None:
        cls.unchanged, cls.existing, cls.failing, cls.log = set(), set(), set(), []
        cls.dry_runs = []

    @classmethod
    def all(cls, word: str) -> list[str]:
        return [name for said, name in cls.log if said == word]

    def names(self) -> list[str]:
        return sorted(self.existing)

    def propose(self, stack: Stack, *, dry_run: bool = False) -> Proposal:
        self.dry_runs.append(dry_run)
        self._say("proposed", stack)
        if stack.name in self.failing:
            raise DeployError(f"{stack.name}: no")
        change_set = None if stack.name in self.unchanged else f"arn:{stack.name}"
        return Proposal(stack, change_set, is_new=stack.name not in self.existing)

    def deployed(self, name: str) -> None:
        return None

    def discard(self, proposal: Proposal) -> None:
        self._say("discarded", proposal.stack)

    def carry_out(self, proposal: Proposal) -> None:
        self._say("changed", proposal.stack)

    def remove(self, name: str) -> bool:
        with self._lock:
            self.log.append(("removed", name))
        return name in self.existing

    def _say(self, word: str, stack: Stack) -> None:
        with self._lock:
            self.log.append((word, stack.name))


@pytest.fixture
def config(document: dict[str, Any]) -> Config:
    """The hub is moto's account."""
    return Config.model_validate(document | {"hub_account_id": DEFAULT_ACCOUNT_ID})


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """The hub's account, with its artifact bucket, on moto; its stacks are fakes."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    FakeStacks.reset()
    monkeypatch.setattr(hub, "Stacks", FakeStacks)
    with mock_aws():
        made = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s")
        made.client("s3", region_name="eu-west-1").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield made


def uploaded(session: boto3.Session) -> list[str]:
    found = session.client("s3", region_name="eu-west-1").list_objects_v2(Bucket=BUCKET)
    return [entry["Key"] for entry in found.get("Contents", [])]


def parameters(config: Config, zips: list[Zip], stack_name: str) -> dict[str, str]:
    stacks = [s for step in hub_stacks(config, {z.service: z for z in zips}) for s in step]
    (found,) = (s for s in stacks if s.name == stack_name)
    return dict(found.parameters)


def test_stacks_are_deployed_after_those_that_they_need(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    outcomes = deploy_hub(session, config, some_zips)
    assert outcomes == [Outcome(name, "changed") for name in NAMES]
    changed = FakeStacks.all("changed")
    assert changed[:2] == NAMES[:2]
    assert changed[-1] == "logferry-observability"
    # Proposals need the parameters that stacks before them make.
    assert FakeStacks.log.index(("proposed", "logferry-planner")) > FakeStacks.log.index(
        ("changed", "logferry-archive")
    )


def test_recounters_are_deployed_where_they_are_asked_for_after_who_reads_what_they_write(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    enabled = config.model_copy(update={"recount": RecountConfig(state="ENABLED")})
    deploy_hub(session, enabled, some_zips)
    changed = FakeStacks.all("changed")
    recounters = {name.replace("exporter", "recounter") for name in EXPORTERS}
    assert set(changed) == {*NAMES, *recounters}
    assert changed.index("logferry-sealer") < min(map(changed.index, recounters))
    waits = {
        each.recount.state: parameters(each, some_zips, "logferry-sealer")["RecountWithinHours"]
        for each in (config, enabled)
    }
    assert waits == {"DISABLED": "0", "ENABLED": "12"}


def test_whoever_reads_a_message_is_deployed_before_its_writer(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    """So no reader gets what it does not know yet, while only a part of the hub has changed."""
    deploy_hub(session, config, some_zips)
    changed = FakeStacks.all("changed")
    enforcer, planner = changed.index("logferry-sse-enforcer"), changed.index("logferry-planner")
    for exporter in EXPORTERS:
        assert enforcer < changed.index(exporter) < planner


def test_a_zip_is_uploaded_once_by_its_version_and_its_contents_hash(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    seen: list[Progress] = []
    deploy_hub(session, config, some_zips, seen.append)
    deploy_hub(session, config, some_zips, seen.append)
    needed = [each for each in some_zips if each.service != "recounter"]  # of which it has none
    assert uploaded(session) == sorted(
        f"{zipped.service}/1.2.3-{zipped.sha256}.zip" for zipped in needed
    )
    ends = sorted((p.subject, p.status) for p in seen if p.is_final)
    assert ends[:2] == [("exporter-x86_64.zip", "unchanged"), ("exporter-x86_64.zip", "uploaded")]
    assert len(ends) == 2 * len(needed)


def test_zips_of_stacks_that_do_not_change_are_not_uploaded(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    FakeStacks.existing = set(NAMES)
    FakeStacks.unchanged = set(NAMES) - {"logferry-planner"}
    outcomes = deploy_hub(session, config, some_zips)
    assert [o.stack_name for o in outcomes if o.status == "changed"] == ["logferry-planner"]
    assert uploaded(session) == [f"planner/1.2.3-{'0' * 64}.zip"]


def test_nobody_is_asked_when_nothing_changes(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    FakeStacks.existing = FakeStacks.unchanged = set(NAMES)

    def never(_: Sequence[Proposal]) -> bool:
        raise AssertionError("asked")

    outcomes = deploy_hub(session, config, some_zips, options=Options(confirm=never))
    assert {o.status for o in outcomes} == {"unchanged"}


def test_a_no_ends_it_there_and_leaves_no_proposal_behind(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    answers = iter([True, False])
    with pytest.raises(DeclinedError, match="not deployed: logferry-archive"):
        deploy_hub(session, config, some_zips, options=Options(confirm=lambda _: next(answers)))
    assert FakeStacks.all("changed") == ["logferry-artifacts"]
    assert FakeStacks.all("discarded") == ["logferry-archive"]


def test_a_dry_run_changes_nothing(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    FakeStacks.existing = set(NAMES)
    shown: list[str] = []

    def show(proposals: Sequence[Proposal]) -> bool:
        shown.extend(proposal.stack.name for proposal in proposals)
        return True

    outcomes = deploy_hub(session, config, some_zips, options=Options(confirm=show, dry_run=True))
    assert shown == NAMES
    assert outcomes == [Outcome(name, "proposed") for name in NAMES]
    assert sorted(FakeStacks.all("discarded")) == sorted(NAMES)
    assert FakeStacks.all("changed") == []
    assert set(FakeStacks.dry_runs) == {True}
    assert uploaded(session) == []


def test_a_dry_run_looks_no_further_than_a_new_stack_that_later_ones_need(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    FakeStacks.existing = {"logferry-artifacts"}
    outcomes = deploy_hub(session, config, some_zips, options=Options(dry_run=True))
    assert outcomes[:2] == [Outcome(name, "proposed") for name in NAMES[:2]]
    later = {(o.stack_name, o.status) for o in outcomes[2:]}
    assert later == {(name, "not_looked_at") for name in NAMES[2:]}
    assert len(FakeStacks.all("proposed")) == 2


def test_an_exporter_of_no_source_in_the_configuration_is_named(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    FakeStacks.existing = {*NAMES, "logferry-exporter-old", "logferry-extra", "other-exporter-shop"}
    outcomes = deploy_hub(session, config, some_zips)
    left_over = [outcome.stack_name for outcome in outcomes if outcome.status == "left_over"]
    assert left_over == ["logferry-exporter-old"]
    assert deploy_hub(session, config, some_zips, options=Options(only=["planner"])) == [
        Outcome("logferry-planner", "changed")
    ]


def test_a_deployment_names_what_is_left_over_with_the_command_that_deletes_it(
    session: boto3.Session,
    config: Config,
    some_zips: list[Zip],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    FakeStacks.existing = {"logferry-exporter-old"}
    path = tmp_path / "organization.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
    monkeypatch.setattr(boto3, "Session", lambda: session)
    monkeypatch.setattr(deployment, "build_zips", lambda *_, **__: some_zips)
    with pytest.raises(SystemExit) as ended:
        main(["deploy", str(path), "--yes"])
    assert ended.value.code == DONE
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "logferry-exporter-old  left_over"
    delete = "delete-stack --region eu-west-1 --stack-name logferry-exporter-old"
    assert delete in captured.err


def test_only_what_fits_a_pattern_is_deployed(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    deploy_hub(session, config, some_zips, options=Options(only=["exporter-*", "archive"]))
    assert FakeStacks.all("changed")[0] == "logferry-archive"
    assert set(FakeStacks.all("proposed")) == {NAMES[1], *EXPORTERS}


def test_a_pattern_that_fits_nothing_is_bad_input(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    with pytest.raises(ConfigError, match="exporter-shops: none of artifacts, archive"):
        deploy_hub(session, config, some_zips, options=Options(only=["exporter-shops"]))
    assert FakeStacks.log == []


def test_every_stack_that_fails_is_told_and_the_others_proposals_are_discarded(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    FakeStacks.failing = set(EXPORTERS)
    with pytest.raises(DeployError) as caught:
        deploy_hub(session, config, some_zips)
    assert sorted(str(caught.value).splitlines()) == [f"{name}: no" for name in EXPORTERS]
    FakeStacks.reset()
    FakeStacks.failing = {"logferry-exporter-shop"}
    with pytest.raises(DeployError):
        deploy_hub(session, config, some_zips)
    assert FakeStacks.all("discarded") == ["logferry-exporter-pay-ments"]


@pytest.mark.parametrize("during", ["proposed", "asked", "changed"])
def test_an_interrupted_deployment_says_what_was_changed_and_leaves_no_change_set(
    session: boto3.Session,
    config: Config,
    some_zips: list[Zip],
    monkeypatch: pytest.MonkeyPatch,
    during: str,
) -> None:
    """Ctrl-C comes while both exporters' stacks are looked at, shown, or changed."""
    waited = at_once_module.wait

    def interrupted(done: Any) -> None:
        waited(done)
        if set(EXPORTERS) <= set(FakeStacks.all(during)):
            monkeypatch.setattr(at_once_module, "wait", waited)
            raise KeyboardInterrupt

    def confirm(proposals: Sequence[Proposal]) -> bool:
        if during == "asked" and proposals[0].stack.name in EXPORTERS:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(at_once_module, "wait", interrupted)
    with pytest.raises(DeployError, match=r"interrupted; changed: .*logferry-archive") as caught:
        deploy_hub(session, config, some_zips, options=Options(confirm=confirm))
    told = str(caught.value).partition("; no change set is left")[0]
    changed = FakeStacks.all("changed")
    assert told.removeprefix("interrupted; changed: ").split(", ") == sorted(changed)
    left = set(FakeStacks.all("proposed")) - set(changed) - set(FakeStacks.all("discarded"))
    assert left == set()
    assert set(EXPORTERS) <= set(changed if during == "changed" else FakeStacks.all("discarded"))


def test_after_an_interruption_what_has_begun_is_ended_and_nothing_more_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, interrupted, ended = threading.Event(), threading.Event(), []

    def work(number: int) -> None:
        begun.set()
        assert interrupted.wait(10)
        ended.append(number)

    def interrupt(_: Any) -> None:
        assert begun.wait(10)
        raise KeyboardInterrupt

    class Pool(ThreadPoolExecutor):
        """Lets what has begun go on once there is nothing more to begin."""

        def shutdown(self, *_: Any, **options: Any) -> None:
            super().shutdown(**options | {"wait": False})
            interrupted.set()
            super().shutdown()

    monkeypatch.setattr(at_once_module, "wait", interrupt)
    monkeypatch.setattr(at_once_module, "ThreadPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt):
        at_once_module.at_once(work, range(100), workers=1)
    assert ended == [0]


def test_credentials_of_another_account_deploy_nothing(
    session: boto3.Session, document: dict[str, Any], some_zips: list[Zip]
) -> None:
    config = Config.model_validate(document)
    with pytest.raises(DeployError, match="of account 123456789012, not of 111122223333"):
        deploy_hub(session, config, some_zips)
    with pytest.raises(DeployError, match="of account 123456789012, not of 444455556666"):
        deploy_source_account(session, config, "shop")
    assert FakeStacks.log == []


def test_a_service_without_a_zip_is_told(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    with pytest.raises(DeployError, match="no zip of exporter"):
        deploy_hub(session, config, [z for z in some_zips if z.service != "exporter"])


def test_a_bucket_that_is_not_there_is_told_with_the_zip(
    session: boto3.Session, config: Config, some_zips: list[Zip]
) -> None:
    session.client("s3", region_name="eu-west-1").delete_bucket(Bucket=BUCKET)
    with pytest.raises(DeployError, match=f"-x86_64.zip to s3://{BUCKET}: .*NoSuchBucket"):
        deploy_hub(session, config, some_zips)


def test_a_source_with_a_role_of_its_own_gets_none_of_ours(
    session: boto3.Session, document: dict[str, Any]
) -> None:
    document["sources"][0]["role_arn"] = "arn:aws:iam::444455556666:role/Collect"
    with pytest.raises(ConfigError, match="role/Collect: not of logferry's making"):
        deploy_source_account(session, Config.model_validate(document), "shop")


def test_a_source_accounts_stack_knows_the_hub_and_the_secret(
    session: boto3.Session, document: dict[str, Any]
) -> None:
    document["external_id"] = "between-us"
    document["sources"][1]["account_id"] = DEFAULT_ACCOUNT_ID
    config = Config.model_validate(document)
    assert deploy_source_account(session, config, "Pay_ments") == Outcome(
        "logferry-source", "changed"
    )
    stack = hub.source_account_stack(config, config.source("Pay_ments"))
    assert stack.parameters == {
        "Name": "logferry",
        "HubAccountId": "111122223333",
        "Profile": "Pay_ments",
        "LowercaseProfile": "pay_ments",
        "ExternalId": "between-us",
        "OrganizationId": "",
        "ProvisionedExporter": "DISABLED",
    }


def test_functions_run_on_the_architecture_of_their_zips(
    config: Config, some_zips: list[Zip]
) -> None:
    assert config.architecture == "arm64"
    assert parameters(config, some_zips, "logferry-planner")["Architecture"] == "x86_64"


def test_values_are_found_below_the_hubs_name(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    config = Config.model_validate(document | {"name": "logs-euw1"})
    found = parameters(config, some_zips, "logs-euw1-exporter-shop")
    assert found["Name"] == "logs-euw1"
    assert found["TopicArn"] == "/logs-euw1/topic/arn"
    assert found["SourceRoleArn"] == "arn:aws:iam::444455556666:role/logs-euw1-source"


def test_account_ids_are_split_where_a_parameter_is_full(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    account_ids = [f"{n:012}" for n in range(301)]
    document["organization_id"] = "o-a1b2c3d4e5"
    document["sources"] = [
        {"profile": f"p{n}", "account_id": account_id, "schedule": "rate(1 day)"}
        for n, account_id in enumerate(account_ids)
    ]
    found = parameters(Config.model_validate(document), some_zips, "logferry-archive")
    assert found["SourceAccountIds"].split(",") == account_ids[:300]
    assert found["MoreSourceAccountIds"] == account_ids[300]


def test_the_archive_keeps_objects_as_the_configuration_says(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    document["archive"] = {
        "default_retention": {"mode": "COMPLIANCE", "days": 2557},
        "transition": {"storage_class": "DEEP_ARCHIVE", "after_days": 90},
        "signing_key_spec": "RSA_3072",
        "signing_key_arn": "arn:aws:kms:eu-west-1:111122223333:key/1-2",
    }
    found = parameters(Config.model_validate(document), some_zips, "logferry-archive")
    assert (found["DefaultRetentionMode"], found["DefaultRetentionDays"]) == ("COMPLIANCE", "2557")
    assert (found["TransitionStorageClass"], found["TransitionDays"]) == ("DEEP_ARCHIVE", "90")
    assert found["SigningKeySpec"] == "RSA_3072"
    assert found["SigningKeyArn"] == "arn:aws:kms:eu-west-1:111122223333:key/1-2"


def test_the_archive_is_held_and_left_in_standard_where_nothing_is_said(
    config: Config, some_zips: list[Zip]
) -> None:
    found = parameters(config, some_zips, "logferry-archive")
    assert (found["DefaultRetentionMode"], found["TransitionStorageClass"]) == ("NONE", "NONE")


def test_roles_of_the_same_name_are_one_pattern(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    document["sources"].append(
        {
            "profile": "old",
            "account_id": "777788889999",
            "schedule": "rate(1 day)",
            "role_arn": "arn:aws:iam::777788889999:role/a-path/Collect",
        }
    )
    found = parameters(Config.model_validate(document), some_zips, "logferry-planner")
    assert found["SourceRoleArnPatterns"] == (
        "arn:aws:iam::*:role/a-path/Collect,arn:aws:iam::*:role/logferry-source"
    )


def test_stacks_are_deleted_before_those_that_they_need_and_the_archives_stays(
    session: boto3.Session, config: Config
) -> None:
    FakeStacks.existing = set(NAMES) - {"logferry-exporter-shop"}

    outcomes = destroy_hub(session, config)

    removed = FakeStacks.all("removed")
    # The first one is over alarms of the others'.
    assert removed[0] == "logferry-observability"
    assert set(removed[1:3]) == set(EXPORTERS)
    assert set(removed[3:]) == set(SHARED)
    assert {(o.stack_name, o.status) for o in outcomes} == {
        ("logferry-exporter-shop", "unchanged"),
        *((name, "deleted") for name in set(NAMES[2:]) - {"logferry-exporter-shop"}),
    }


def test_when_something_is_amiss_reaches_the_hubs_and_the_sources_alarms(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    document["observability"] = {
        "gap_hours": 30,
        "plan_within_hours": 48,
        "page_action_arn": "arn:aws:sns:eu-west-1:111122223333:pager",
    }
    config = Config.model_validate(document)
    assert parameters(config, some_zips, "logferry-observability") == {
        "Name": "logferry",
        "GapHours": "30",
        "PlanWithinHours": "48",
        "ScheduleState": "ENABLED",
        "PageActionArn": "arn:aws:sns:eu-west-1:111122223333:pager",
    }
    exporter = parameters(config, some_zips, "logferry-exporter-shop")
    assert exporter["PlanWithinHours"] == "48"


def test_where_windows_are_hours_the_direct_queue_has_an_alarm_of_its_own(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    def unit() -> str:
        config = Config.model_validate(document)
        return parameters(config, some_zips, "logferry-exporter-shop")["WindowUnit"]

    document["sources"][0].pop("window_rule", None)
    assert unit() == "day"
    document["sources"][0]["window_rule"] = {"unit": "day", "time_zone": "UTC"}
    assert unit() == "day"
    document["sources"][0]["window_rule"] = {"unit": "hour", "time_zone": "UTC"}
    assert unit() == "hour"


def test_no_plan_is_missed_where_no_schedule_is_enabled(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    document["sources"][0]["state"] = "DISABLED"
    one = parameters(Config.model_validate(document), some_zips, "logferry-observability")
    document["sources"][1]["state"] = "DISABLED"
    none = parameters(Config.model_validate(document), some_zips, "logferry-observability")
    assert (one["ScheduleState"], none["ScheduleState"]) == ("ENABLED", "DISABLED")


def test_only_what_is_named_is_deleted(session: boto3.Session, config: Config) -> None:
    destroy_hub(session, config, only=["archive", "exporter-shop"])
    assert FakeStacks.all("removed") == ["logferry-exporter-shop", "logferry-archive"]


def test_a_pattern_that_fits_no_stack_deletes_nothing(
    session: boto3.Session, config: Config
) -> None:
    with pytest.raises(ConfigError, match="exporter-shopp: none of artifacts, archive"):
        destroy_hub(session, config, only=["exporter-shop", "exporter-shopp"])
    assert FakeStacks.log == []


def test_nothing_is_deleted_against_somebodys_will(session: boto3.Session, config: Config) -> None:
    asked: list[Sequence[str]] = []

    def decline(names: Sequence[str]) -> bool:
        asked.append(names)
        return False

    with pytest.raises(DeclinedError, match="not deleted: logferry-planner"):
        destroy_hub(session, config, only=["planner"], confirm=decline)
    assert asked == [["logferry-planner"]]
    assert FakeStacks.log == []


def test_the_settings_of_both_lanes_reach_the_stacks(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    document |= {
        "lookback_days": 30,
        "provisioning": "ENABLED",
        "direct_lane": {
            "planned_bytes": 0,
            "most_bytes": 7,
            "calls_per_second": 3,
            "function_timeout_s": 60,
            "visibility_timeout_s": 61,
        },
        "exporter": {"retry_backoff_s": 5, "split_after_hours": 12},
    }
    config = Config.model_validate(document)
    planner = parameters(config, some_zips, "logferry-planner")
    assert (planner["LookbackDays"], planner["DirectLaneMaxBytes"]) == ("30", "0")
    assert planner["Provisioning"] == "ENABLED"
    exporter = parameters(config, some_zips, "logferry-exporter-shop")
    assert (exporter["RetryBackoffSeconds"], exporter["SplitAfterHours"]) == ("5", "12")
    assert (exporter["DirectLaneMaxBytes"], exporter["DirectLaneCallsPerSecond"]) == ("7", "3")
    timeouts = (exporter["DirectFunctionTimeout"], exporter["DirectVisibilityTimeout"])
    assert timeouts == ("60", "61")


def test_the_settings_of_the_sweep_reach_its_stack(
    document: dict[str, Any], some_zips: list[Zip]
) -> None:
    document["sse_enforcer"] = {
        "sweep": {"state": "DISABLED", "every_hours": 1, "full_every_days": 7}
        | {"objects_per_second": 500, "reserved_concurrency": False}
    }
    enforcer = parameters(Config.model_validate(document), some_zips, "logferry-sse-enforcer")
    names = ("State", "EveryHours", "FullEveryDays", "ObjectsPerSecond", "ReservedConcurrency")
    assert [enforcer[f"Sweep{name}"] for name in names] == ["DISABLED", "1", "7", "500", ""]


def test_an_execution_is_reserved_for_the_sweep_where_nothing_is_said(
    config: Config, some_zips: list[Zip]
) -> None:
    enforcer = parameters(config, some_zips, "logferry-sse-enforcer")
    assert enforcer["SweepReservedConcurrency"] == "1"


@pytest.mark.parametrize(
    ("schedule", "said", "minutes"),
    [
        ("cron(10 3 * * ? *)", None, "15"),
        ("at(2026-11-24T03:10:00)", None, "0"),
        ("rate(1 day)", 0, "0"),
        ("at(2026-11-24T03:10:00)", 1440, "1440"),
    ],
)
def test_sources_do_not_all_begin_at_once_unless_told_so(
    document: dict[str, Any],
    some_zips: list[Zip],
    schedule: str,
    said: int | None,
    minutes: str,
) -> None:
    document["sources"][0] |= {"schedule": schedule, "schedule_flexible_minutes": said}
    found = parameters(Config.model_validate(document), some_zips, "logferry-exporter-shop")
    assert found["ScheduleFlexibleMinutes"] == minutes


def test_a_role_that_was_deleted_by_hand_is_made_again(
    session: boto3.Session, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class SameTemplate(Stacks):
        """What CloudFormation says of a template that it has: moto refuses to look at it."""

        def propose(self, stack: Stack, *, dry_run: bool = False) -> Proposal:
            if self.deployed(stack.name) is None:
                return super().propose(stack, dry_run=dry_run)
            return Proposal(stack, None, is_new=False)

    monkeypatch.setattr(hub, "Stacks", SameTemplate)
    document["sources"][0]["account_id"] = DEFAULT_ACCOUNT_ID
    config = Config.model_validate(document)
    assert deploy_source_account(session, config, "shop").status == "changed"
    iam = session.client("iam")
    iam.delete_role_policy(RoleName="logferry-source", PolicyName="export")
    iam.delete_role(RoleName="logferry-source")

    assert deploy_source_account(session, config, "shop").status == "mended"

    policy = iam.get_role_policy(RoleName="logferry-source", PolicyName="export")["PolicyDocument"]
    assert "logs:CreateExportTask" in str(policy)
