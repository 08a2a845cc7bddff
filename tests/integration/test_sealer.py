"""The deployed sealer: a date of a source is sealed under the roles that are deployed."""

import json

import pytest
import yaml
from tests.sealed_account import Account, public_pem

from logferry.bucket_store import BucketStore
from logferry.command import main
from logferry_contracts.wire import emit
from logferry_ledger.ledger import Ledger

pytestmark = pytest.mark.localstack


@pytest.fixture
def account(suite):
    return Account(suite)


def test_a_date_is_sealed_and_found_valid_to_the_event(suite, tap, account):
    account.export("/a")
    account.inventory("/a", excluded="/b")
    account.ask()
    tap.until(lambda: account.sealed(tap))

    [event] = account.sealed(tap)
    assert event.data.sealed.outcomes == {"archived": 1, "excluded": 1}
    assert (event.data.sealed.objects, event.data.sealed.events) == (1, 1)
    store = BucketStore(suite.client("s3"), suite.archive_bucket)
    assert store.is_held(event.data.location.key, event.data.location.version_id)
    assert len(account.checked().links) == 1


def test_a_completed_record_that_nobody_has_announced_is_sealed_once_somebody_has(
    suite, tap, account
):
    """Somebody may have written it: its exporter checks that before it announces anything."""
    untold = account.export("/a")
    assert untold.completed.published_at is None
    account.put(untold.key, emit(untold).encode())
    account.inventory("/a", excluded="/b")
    account.ask()
    tap.until(lambda: account.is_left_for_later() and tap.idle())
    assert account.sealed(tap) == []

    told = untold.as_published(at=account.window.end)
    account.put(told.key, emit(told).encode())
    account.ask()
    tap.until(lambda: account.sealed(tap))
    [event] = account.sealed(tap)
    assert event.data.sealed.outcomes == {"archived": 1, "excluded": 1}


@pytest.fixture
def command(suite, account, tmp_path, monkeypatch, capsys):
    """Run the operator's command in the hub's account; its configuration has this source alone."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", suite.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", suite.hub_account_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    document = suite.config.model_dump(mode="json", exclude_none=True)
    profile = account.source.profile
    alone = {"profile": profile, "account_id": account.source.account_id}
    document["sources"] = [alone | {"schedule": "rate(1 day)"}]
    path = tmp_path / "organization.yaml"
    path.write_text(yaml.safe_dump(document))

    def command(*words, **options):
        named = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with pytest.raises(SystemExit) as ended:
            main([*words, str(path), "--profile", profile, *named, "--json"])
        return ended.value.code, capsys.readouterr().out

    return command


def test_the_operator_has_a_date_sealed_checks_it_and_makes_the_ledger_again(
    suite, tap, account, command, tmp_path
):
    done = account.export("/a")
    account.inventory("/a", excluded="/b")
    assert command("seal")[0] == 0
    tap.until(lambda: account.sealed(tap))

    pem = tmp_path / "seals.pem"
    pem.write_bytes(public_pem(suite))
    report = tmp_path / "report.html"
    code, out = command("verify", key=pem, level="events", report=report)
    page = report.read_text("utf-8")
    assert "<strong>Valid</strong>" in page
    assert "of 2 windows of log groups 1 are archived, 1 excluded." in page
    [chain] = [json.loads(line) for line in out.splitlines() if '"verdict"' in line]
    assert (code, chain["verdict"], chain["objects"], chain["events"]) == (0, "valid", 1, 1)

    account.s3.delete_object(Bucket=account.control, Key=done.key)
    code, out = command("ledger", "rebuild", "--yes", key=pem)
    [rebuilt] = json.loads(out)
    # Once the next date has ended in its zone, what is excluded of it is stated and not sealed yet.
    next_date = f"/b {account.window.end:%Y-%m-%d %H:%M} to "
    assert all(each["window"].startswith(next_date) for each in rebuilt["left"])
    assert len(rebuilt["left"]) <= 1
    assert (code, rebuilt["made"]) == (1 if rebuilt["left"] else 0, 1)
    again = Ledger(account.s3, account.control).read(done.key)
    changed = {name for name, value in done if getattr(again, name) != value}
    assert changed <= {"completed", "revision"}
    [was], [now] = done.completed.manifest.objects, again.completed.manifest.objects  # type: ignore[misc]
    assert now.model_copy(update={"checksum": None}) == was  # S3's, which the sealer has seen
    assert again.completed.published_at == done.completed.at


def test_what_comes_later_is_a_seal_of_its_own(suite, tap, account):
    account.export("/a")
    account.inventory("/a", excluded="/b")
    account.ask()
    tap.until(lambda: account.sealed(tap))
    account.export("/b")
    account.ask()
    tap.until(lambda: len(account.sealed(tap)) > 1)

    later = account.sealed(tap)[1].data
    assert (later.kind, later.sequence, later.sealed.reason) == ("later", 2, "exported_since")


def test_an_export_is_measured_when_it_is_announced(suite, tap, name, plan, some_logs):
    some_logs("alpha", name)
    plan("alpha", name)
    tap.until(lambda: tap.of("export.completed", name))
    [completed] = tap.of("export.completed", name)
    source = completed["source"]
    key = f"seals/{source['account_id']}/{source['region']}/measured/{completed['export_id']}.json"
    control, s3 = suite.parameter(f"/{suite.name}/control/bucket"), suite.client("s3")
    tap.until(lambda: s3.list_objects_v2(Bucket=control, Prefix=key)["KeyCount"])

    read = json.load(s3.get_object(Bucket=control, Key=key)["Body"])
    assert read["is_complete"]
    assert read["differences"] == []
    assert sum(each["events"] for each in read["objects"]) == 20
