"""A file of several hubs: each command does its work in all of them that it concerns."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from logferry import credentials, diff, hub, plan, replay, source_accounts, status, sweep
from logferry.account_roles import Result
from logferry.command import main
from logferry.commands import deployment
from logferry.commands.console import DONE
from logferry.config import Config, SourceConfig
from logferry.diff import StackDiff
from logferry.errors import ConfigError
from logferry.hub import Outcome
from logferry.sweep import SweepReport

HERE, THERE = "eu-west-1", "us-east-2"
DAY = ("--from", "2026-11-01", "--to", "2026-11-01")
WHOSE = ("--profile", "shop", "--log-group", "/app")


@pytest.fixture(autouse=True)
def two_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second hub has no source but shop."""

    def hubs(config: Config) -> list[Config]:
        shop = [source for source in config.sources if source.profile == "shop"]
        return [config, config.model_copy(update={"region": THERE, "sources": shop})]

    monkeypatch.setattr(Config, "hubs", hubs)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """The Region of each hub that was worked on, and the sources that this was about."""
    found: list[tuple[str, list[str]]] = []

    def noting(answer: Any) -> Callable[..., Any]:
        def note(_: Any, config: Config, *more: Any, **__: Any) -> Any:
            given = more[0] if more and isinstance(more[0], list) else []
            profiles = [each.profile for each in given if isinstance(each, SourceConfig)]
            found.append((config.region, profiles))
            return answer

        return note

    monkeypatch.setattr(deployment, "build_zips", lambda *_, **__: [])
    monkeypatch.setattr(hub, "deploy_hub", noting([Outcome("any", "unchanged")]))
    monkeypatch.setattr(hub, "destroy_hub", noting([Outcome("any", "deleted")]))
    monkeypatch.setattr(hub, "deploy_source_account", noting(Outcome("any", "unchanged")))
    monkeypatch.setattr(diff, "diff", noting([StackDiff("any", "same")]))
    result = Result("any", "unchanged", [])
    monkeypatch.setattr(source_accounts, "deploy_source_accounts", noting(result))
    monkeypatch.setattr(credentials, "account_of", lambda _, config: config.hub_account_id)
    monkeypatch.setattr(plan, "plan", noting(None))
    monkeypatch.setattr(status, "status", noting([]))
    monkeypatch.setattr(replay, "find", noting([]))
    report = SweepReport.model_construct(open_count=0, found={})  # type: ignore[call-arg]
    monkeypatch.setattr(sweep, "sweep", noting((report, {"is_complete": True})))
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("deploy", "--yes"),
        ("diff",),
        ("destroy", "--yes"),
        ("deploy-source-account", "--profile", "shop"),
        ("deploy-source-accounts", "--organizational-unit", "r-ab12", "--yes"),
        ("plan", "--profile", "shop"),
        ("status",),
        ("sweep",),
        ("events replay", *DAY),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_works_in_every_hub(
    asked: list[tuple[str, list[str]]],
    path: str,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments[0].split(), path, *arguments[1:], "--json"])
    assert ended.value.code == DONE
    assert [region for region, _ in asked] == [HERE, THERE]
    assert isinstance(json.loads(capsys.readouterr().out), list)


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--profile", "shop"),
        ("sweep",),
        ("events replay", *DAY),
        ("waive", *WHOSE, "--date", "2026-11-21", "--reason", "gone"),
        ("dispose", *WHOSE, "--date", "2026-11-21", "--reason", "art. 17"),
        ("explain", *WHOSE, "--date", "2026-11-21"),
        ("seal", "--profile", "shop", *DAY),
        ("index rebuild",),
        ("ledger rebuild", "--unsealed", "--yes"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_nothing_is_asked_of_a_hub_of_another_account(
    asked: list[tuple[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setattr(credentials, "account_of", lambda *_: "999999999999")
    with pytest.raises(SystemExit) as ended:
        main([*arguments[0].split(), path, *arguments[1:]])
    assert ended.value.code != DONE
    assert "the credentials are of account 999999999999, not of" in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize(("profile", "regions"), [("shop", [HERE, THERE]), ("Pay_ments", [HERE])])
def test_a_profile_is_looked_for_in_every_hub(
    asked: list[tuple[str, list[str]]], path: str, profile: str, regions: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", path, "--profile", profile])
    assert ended.value.code == DONE
    assert asked == [(region, [profile]) for region in regions]


def test_a_profile_that_no_hub_has_is_refused(config: Config) -> None:
    with pytest.raises(ConfigError, match="profile: nobody: none of shop, Pay_ments"):
        config.chosen(["shop", "nobody"])
