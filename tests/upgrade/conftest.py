"""A hub, and the releases that can be deployed over each other in it."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from string import Template
from typing import Any

import boto3
import pytest

from devstack import archive
from devstack.organisation import LogGroup, LogStream
from devstack.suite import REGION, Suite, date_of, yesterday
from logferry import package
from logferry.bucket_store import BucketStore
from logferry.hub import Options, deploy_hub, deploy_source_account
from logferry.package import Target, Zip
from logferry.services import NAMES, named
from logferry.stack import Stack, deploy_stack
from logferry_contracts.chain import ChainName
from logferry_contracts.export import Lane
from logferry_contracts.source import SourceName
from logferry_contracts.verification.chain import Chain, read_chain
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.statements import read_statement

PREVIOUS_VERSION = "0.2.0"
PREVIOUS = Path(__file__).parent / f"release-{PREVIOUS_VERSION}"
PATIENCE_S = 90

type Deploy = Callable[..., None]
"""`deploy(only=["planner"])`: bring stacks to what a release says; all of them without ``only``."""
type Behind = Callable[..., AbstractContextManager[None]]
"""`with behind(older, newer, VARIABLE="of both"):` of an exporter's two functions the first is the
previous release's and the other one this one's, as in the middle of a deployment."""
type Pause = Callable[[str], AbstractContextManager[None]]
"""`with pause(function_name):` it takes no message meanwhile."""


@pytest.fixture(scope="session")
def previous_zips(tmp_path_factory: pytest.TempPathFactory) -> list[Zip]:
    """The previous release's zips: its own wheels, and the third parties of the lock."""
    folder, target = tmp_path_factory.mktemp("previous"), Target.of("host")

    def installed(distribution: str) -> Path:
        [wheel] = PREVIOUS.glob(f"wheels/{distribution.replace('-', '_')}-*.whl")
        package._install(folder / distribution, target, str(wheel))
        return folder / distribution

    def build(service: str) -> Zip:
        third_parties = [
            package._third_party(requirement, target)
            for requirement in package.requirements(service, target)
        ]
        folders = [contracts, installed(service), *third_parties]
        return package._zip(service, target.architecture, folder / f"{service}.zip", folders)

    contracts = installed("logferry-contracts")
    # A service that came later has none.
    released = [name for name in NAMES if [*PREVIOUS.glob(f"wheels/{named(name).module}-*.whl")]]
    return [build(service) for service in released]


@pytest.fixture(scope="module")
def profiles() -> tuple[str, ...]:
    """The sources, for a module to override; every deployment takes longer with each."""
    return ("alpha",)


@pytest.fixture(scope="module")
def hub(localstack: str, profiles: tuple[str, ...]) -> Iterator[Suite]:
    """A hub in which nothing is deployed yet."""
    accounts = {profile: str(3 * 10**11 + secrets.randbelow(10**11)) for profile in profiles}
    hub_id = str(2 * 10**11 + secrets.randbelow(10**11))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", localstack)
        yield Suite(localstack, hub_account_id=hub_id, accounts=accounts)


@pytest.fixture(scope="module")
def session(hub: Suite) -> boto3.Session:
    """The operator's, in the hub's account."""
    return _session(hub.hub_account_id)


@pytest.fixture(scope="module")
def current(
    hub: Suite,
    profiles: tuple[str, ...],
    session: boto3.Session,
    zips: list[Zip],
    free_queue_names: Callable[[str], None],
) -> Deploy:
    """Deploys what is in this checkout, as `logferry deploy` does."""

    def deploy(only: Sequence[str] = ()) -> None:
        free_queue_names(
            hub.hub_account_id
        )  # on AWS a minute has passed, as docs/upgrading.md says
        if not only:
            for profile in profiles:
                of_source = _session(hub.source(profile).account_id)
                deploy_source_account(of_source, hub.config, profile)
        deploy_hub(session, hub.config, zips, options=Options(only=only))

    return deploy


@pytest.fixture(scope="module")
def previous(
    hub: Suite,
    session: boto3.Session,
    previous_zips: list[Zip],
    free_queue_names: Callable[[str], None],
) -> Deploy:
    """Deploys the previous release as its `logferry deploy` did, with the source ``alpha``."""
    stacks = _previous_stacks(hub, previous_zips)

    def deploy(only: Sequence[str] = ()) -> None:
        free_queue_names(hub.hub_account_id)  # the same
        [[of_source], *steps] = stacks
        if not only:
            deploy_stack(_session(hub.source("alpha").account_id), of_source, region=REGION)
        for step in steps:
            chosen = [s for s in step if not only or s.name.removeprefix("logferry-") in only]
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda stack: deploy_stack(session, stack, region=REGION), chosen))
            if [stack.name for stack in chosen] == ["logferry-artifacts"]:
                _upload(hub, previous_zips)

    return deploy


def _previous_stacks(hub: Suite, zips: Sequence[Zip]) -> list[list[Stack]]:
    values = {
        "hub": hub.hub_account_id,
        "alpha": hub.source("alpha").account_id,
        "architecture": zips[0].architecture,
        **{built.service.replace("-", "_"): built.sha256 for built in zips},
    }
    steps = json.loads(Template((PREVIOUS / "stacks.json").read_text()).substitute(values))
    return [
        [
            # An absolute path is taken as it is, instead of one in this checkout's deploy/.
            Stack(**stack | {"template": str(PREVIOUS / "deploy" / stack["template"])})
            for stack in step
        ]
        for step in steps
    ]


def _upload(hub: Suite, zips: Sequence[Zip]) -> None:
    bucket = hub.parameter("/logferry/artifacts/bucket")
    for built in zips:
        key = f"{built.service}/{PREVIOUS_VERSION}-{built.sha256}.zip"  # as stacks.json has it
        hub.client("s3").put_object(Bucket=bucket, Key=key, Body=built.path.read_bytes())


def _session(account_id: str) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=account_id, aws_secret_access_key="any", region_name=REGION
    )


@pytest.fixture(scope="module")
def pause(hub: Suite) -> Pause:
    functions = hub.client("lambda")

    def switch(mapping: str, *, on: bool) -> None:
        functions.update_event_source_mapping(UUID=mapping, Enabled=on)
        wanted, deadline = "Enabled" if on else "Disabled", time.monotonic() + PATIENCE_S
        while (state := functions.get_event_source_mapping(UUID=mapping)["State"]) != wanted:
            assert time.monotonic() < deadline, state

    @contextmanager
    def pause(function_name: str) -> Iterator[None]:
        found = functions.list_event_source_mappings(FunctionName=function_name)
        [mapping] = found["EventSourceMappings"]
        switch(mapping["UUID"], on=False)
        try:
            yield
        finally:
            switch(mapping["UUID"], on=True)

    return pause


@pytest.fixture(scope="module")
def behind(
    hub: Suite, previous: Deploy, current: Deploy, previous_zips: list[Zip], zips: list[Zip]
) -> Behind:
    functions = hub.client("lambda")
    [of_previous] = [built for built in previous_zips if built.service == "exporter"]
    [of_current] = [built for built in zips if built.service == "exporter"]

    def variables(function_name: str) -> dict[str, str]:
        found = functions.get_function_configuration(FunctionName=function_name)
        return found["Environment"]["Variables"]  # type: ignore[no-any-return]

    def change(function_name: str, values: dict[str, str], zipped: Path) -> None:
        functions.update_function_code(FunctionName=function_name, ZipFile=zipped.read_bytes())
        functions.get_waiter("function_updated_v2").wait(FunctionName=function_name)
        set_variables(function_name, values)

    def set_variables(function_name: str, values: dict[str, str]) -> None:
        environment = {"Variables": values}
        functions.update_function_configuration(FunctionName=function_name, Environment=environment)
        functions.get_waiter("function_updated_v2").wait(FunctionName=function_name)

    @contextmanager
    def behind(older: str, newer: str, **more: str) -> Iterator[None]:
        previous(only=["exporter-alpha"])
        before = variables(older)
        current(only=["exporter-alpha"])
        after, others = variables(older), variables(newer)
        change(older, before | more, of_previous.path)
        set_variables(newer, others | more)
        try:
            yield
        finally:
            change(older, after, of_current.path)
            set_variables(newer, others)

    return behind


class Exports:
    """The log groups of one test, what was put into them, and what became of it.

    Attributes:
        events: What the archive should have of them, each event as often as it was put.
    """

    def __init__(self, hub: Suite, name: str) -> None:
        self.hub = hub
        self.events: Counter[archive.Event] = Counter()
        self._below = f"{name}/"

    def named(self, pattern: str) -> str:
        """Return the name of a log group, or a pattern of names."""
        return f"{self._below}{pattern}"

    def put(
        self, profile: str, *which: str, lane: Lane = "slot", are_younger: bool = False
    ) -> None:
        """Make log groups with ten events of the previous day in each.

        Args:
            profile: The source's.
            which: Their names, in short.
            lane: That they are to take.
            are_younger: Whether the log groups were created after that day.
        """
        window = yesterday()
        logged = [(window.from_ms + n * 1000, f"event {n}") for n in range(10)]
        log_group_class = "INFREQUENT_ACCESS" if lane == "slot" else "STANDARD"
        created_ms = window.to_ms + 1 if are_younger else window.from_ms - 1
        stream = LogStream("web", logged)
        self.hub.put_logs(
            self.hub.source(profile).account_id,
            [LogGroup(self.named(each), created_ms, [stream], log_group_class) for each in which],
        )
        self.events.update(
            archive.as_archived(profile, self.named(each), stream.name, *event)
            for each in which
            for event in logged
        )

    def offer(self, *which: str) -> None:
        """Make log groups with ten events over all of the previous day, and ask both lanes."""
        source, window = self.hub.source("alpha"), yesterday()
        logged = [(window.from_ms + n * 8_000_000, f"event {n}") for n in range(10)]
        names = [self.named(each) for each in which]
        self.hub.put_logs(
            source.account_id,
            [LogGroup(name, window.from_ms - 1, [LogStream("web", logged)]) for name in names],
        )
        self.events.update(
            archive.as_archived("alpha", name, "web", *event) for name in names for event in logged
        )
        asked = [
            self.hub.export_request(
                "alpha", name, lane="direct", log_group_class="STANDARD"
            ).model_copy(update={"offered": True})
            for name in names
        ]
        for request in asked:
            self.hub.write_record(request)
            self.hub.send_request(request)
        for request in reversed(asked):
            self.hub.send_request(request.model_copy(update={"lane": "slot"}))

    def run_for(self, running_s: float) -> None:
        """Let tasks of ``alpha`` that are created from now on take so long."""
        account_id = self.hub.source("alpha").account_id
        self.hub.control("exports", {"account": account_id, "running_s": running_s})

    def states(self) -> dict[str, str]:
        """Return the state of each log group's last try."""
        records = sorted(self.hub.ledger(), key=lambda record: record.generation)
        return {
            record.log_group.name.removeprefix(self._below): record.state
            for record in records
            if record.log_group.name.startswith(self._below)
        }

    def are(self, state: str) -> bool:
        """Return whether all are in a state."""
        return set(self.states().values()) == {state}

    def announced(self, tap: Any) -> list[str]:
        """Return the log groups of all ExportCompleted events; there must be no ExportFailed."""
        return sorted(name for _, name in self._completed(tap))

    def announced_by_id(self, tap: Any) -> list[str]:
        """Return the same of events as subscribers count them: once for each id."""
        return sorted(name for _, name in set(self._completed(tap)))

    def _completed(self, tap: Any) -> list[tuple[str, str]]:
        """Return the ids and log groups of all ExportCompleted events."""
        ours = [
            (event["type"], event["id"], event["data"]["log_group_name"].removeprefix(self._below))
            for event in tap.events
            if event["data"].get("log_group_name", "").startswith(self._below)
        ]
        assert {kind for kind, _, _ in ours} <= {"logferry.export.completed.v1"}
        return [(id_, name) for _, id_, name in ours]

    def days(self, tap: Any) -> set[str]:
        """Return the ids of the DayCompleted events."""
        return {event["id"] for event in tap.events if event["type"] == "logferry.day.completed.v1"}

    def archived(self) -> Counter[archive.Event]:
        """Return every event of the archive, all versions; each is under the key and held."""
        versions = [
            version
            for version in archive.read(self.hub.client("s3"), self.hub.archive_bucket)
            if any(log_group.startswith(self._below) for _, log_group, *_ in version.events)
        ]
        protected = {(version.kms_key_arn, version.legal_hold) for version in versions}
        assert protected == {(self.hub.kms_key_arn, True)}
        return sum((version.events for version in versions), Counter())

    def of(self, which: str) -> Counter[archive.Event]:
        """Return what the archive should have of one log group."""
        return Counter({e: count for e, count in self.events.items() if e[1] == self.named(which)})

    def in_manifests(self) -> Counter[archive.Event]:
        """Return every event in the objects that the completed exports say they consist of."""
        s3, found = self.hub.client("s3"), Counter[archive.Event]()
        told = {
            (each.key, each.version_id)
            for record in self.hub.ledger()
            if record.log_group.name.startswith(self._below)
            and record.parent_export_id is None
            and record.completed is not None
            for each in record.completed.manifest.objects or ()
        }
        for version in archive.read(s3, self.hub.archive_bucket):
            if (version.key, version.version_id) in told:
                found += version.events
        return found

    def prefixes(self, which: str) -> set[str]:
        """Return where the ledger says that a log group's exports are."""
        records = [each for each in self.hub.ledger() if each.log_group.name == self.named(which)]
        return {record.destination.prefix for record in records}

    def chain(self) -> Chain:
        """Return the seals of ``alpha``."""
        source = SourceName(
            profile="alpha", account_id=self.hub.source("alpha").account_id, region=REGION
        )
        return read_chain(self._store(), ChainName.of(source), ())

    def sealed(self) -> dict[str, str]:
        """Return the outcome of each log group of the previous day, as the last seal has it."""
        chain, store, found = self.chain(), self._store(), {}
        seals = [link.sealed for link in chain.links if link.sealed is not None]
        for leaf in (each for sealed in seals for each in Leaves(store, chain.name, sealed)):
            name = leaf.name.log_group_name
            if name.startswith(self._below) and leaf.name.window == yesterday():
                statement = read_statement(store, chain.name, leaf).statement
                assert statement is not None
                found[name.removeprefix(self._below)] = statement.outcome
        return found

    def _store(self) -> BucketStore:
        return BucketStore(self.hub.client("s3"), self.hub.archive_bucket)

    def dead_letters(self) -> dict[str, int]:
        """Return how many there are in each dead-letter queue that has some."""
        of_exporter = self.hub.source("alpha").dead_letter_queue_name
        names = (of_exporter, "logferry-sse-enforcer-dlq", "logferry-planner-dlq")
        return {name: count for name in names if (count := self.hub.waiting(name))}


@pytest.fixture
def exports(hub: Suite, name: str) -> Exports:
    return Exports(hub, name)


@pytest.fixture
def without_slash(hub: Suite, name: str) -> Exports:
    """Log groups of the same names but for the slash that they begin with."""
    return Exports(hub, name.removeprefix("/"))


@pytest.fixture(name="yesterday")
def _yesterday() -> str:
    """The date that is planned, in the sources' time zone."""
    return str(date_of(yesterday()))
