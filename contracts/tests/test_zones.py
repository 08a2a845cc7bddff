"""Zones are those of the package tzdata, whatever the operating system has."""

import ast
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logferry_contracts.zones import zone_named, zone_names

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("contracts", "services/*", "cli", "devstack")
    for path in ROOT.glob(f"{folder}/src/**/*.py")
)


@pytest.fixture
def system_that_lies(tmp_path):
    """An operating system whose data has Berlin on UTC."""
    utc = files("tzdata").joinpath("zoneinfo", "UTC").read_bytes()
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe/Berlin").write_bytes(utc)
    zoneinfo.reset_tzpath(to=[tmp_path])
    ZoneInfo.clear_cache()
    zone_named.cache_clear()
    yield
    zoneinfo.reset_tzpath()
    ZoneInfo.clear_cache()


def test_the_operating_systems_rules_are_not_read(system_that_lies):
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    assert summer.astimezone(ZoneInfo("Europe/Berlin")).utcoffset() == timedelta(0)
    assert summer.astimezone(zone_named("Europe/Berlin")).utcoffset() == timedelta(hours=2)


def test_every_zone_has_its_name_and_is_the_same_object_again():
    for name in zone_names():
        assert zone_named(name).key == name
        assert zone_named(name) is zone_named(name)


@pytest.mark.parametrize(
    "name", ["Europe/Atlantis", "", "europe/berlin", "../zones", "Europe", "/UTC", "localtime"]
)
def test_a_name_of_no_zone_is_refused(name):
    with pytest.raises(ValueError, match="is not an IANA time zone"):
        zone_named(name)


def test_nobody_asks_zoneinfo_for_a_zone_by_its_name():
    assert SOURCES
    assert [
        (str(path.relative_to(ROOT)), node.lineno)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "ZoneInfo"
    ] == []
