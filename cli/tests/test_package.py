"""The zips of this checkout, built for this machine."""

import hashlib
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from logferry import package
from logferry.checkout import LOCK, ROOT
from logferry.errors import PackageError
from logferry.package import Target, Zip, build_zips, locked_entries, write_zip
from logferry.services import NAMES, SERVICES, named

EACH = pytest.mark.parametrize("service", NAMES)

IMPORT_AND_CALL = """
import sys

unpacked, module, port, *aws_services = sys.argv[1:]
sys.path.append(unpacked)
import importlib
import pkgutil

package = importlib.import_module(module)
for each in pkgutil.iter_modules(package.__path__):
    if each.name.endswith("handler"):
        handler = importlib.import_module(f"{module}.{each.name}")
        assert handler.__file__.startswith(unpacked), handler.__file__
        assert callable(handler.handle)

import boto3
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

assert boto3.__file__.startswith(unpacked), boto3.__file__
calls = {
    "cloudwatch": lambda cloudwatch: cloudwatch.list_metrics(),
    "kms": lambda kms: kms.list_keys(),
    "lambda": lambda functions: functions.list_functions(),
    "logs": lambda logs: logs.describe_log_groups(),
    "resourcegroupstaggingapi": lambda tagging: tagging.get_resources(),
    "s3": lambda s3: s3.head_bucket(Bucket="a-bucket"),
    "scheduler": lambda scheduler: scheduler.list_schedules(),
    "sns": lambda sns: sns.publish(TopicArn="arn:aws:sns:eu-west-1:111122223333:t", Message="m"),
    "sqs": lambda sqs: sqs.send_message(QueueUrl="https://sqs/1/q", MessageBody="m"),
    "ssm": lambda ssm: ssm.get_parameter(Name="/p"),
    "sts": lambda sts: sts.get_caller_identity(),
}
for name in aws_services:
    client = boto3.client(
        name,
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    try:
        calls[name](client)
    except EndpointConnectionError:
        continue  # as far as it goes with nobody there
    raise AssertionError(name)
"""
NOBODY_LISTENS = "1"
"""A port that only root could listen on, and that no service of today has."""


@pytest.mark.deep
def test_another_checkout_gives_the_same_bytes_but_for_the_service_that_was_changed(
    built_zips: dict[str, Zip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    for folder in ("contracts", "deliveries", "ledger", "services"):
        shutil.copytree(
            ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__", "tests")
        )
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, checkout)
    with (checkout / "services/exporter/src/exporter/waiting.py").open("a") as source:
        source.write("\nANOTHER_LINE = True\n")
    monkeypatch.setattr(package, "ROOT", checkout)
    services = ["exporter", "sealer"]
    later = {each.service: each for each in build_zips(tmp_path / "zips", services=services)}
    changed = {name for name in services if later[name].sha256 != built_zips[name].sha256}
    assert changed == {"exporter"}


@EACH
def test_a_zip_says_the_version_that_its_service_has(
    built_zips: dict[str, Zip], service: str
) -> None:
    version = built_zips[service].version
    distribution = named(service).module
    with zipfile.ZipFile(built_zips[service].path) as archive:
        metadata = archive.read(f"{distribution}-{version}.dist-info/METADATA").decode()
    assert f"\nVersion: {version}\n" in metadata


@pytest.mark.parametrize(
    "service",
    [pytest.param(n, marks=() if n == "exporter" else pytest.mark.deep) for n in NAMES],
)
def test_a_handler_can_be_imported_and_its_clients_used_with_nothing_but_the_zip(
    built_zips: dict[str, Zip], tmp_path: Path, service: str
) -> None:
    with zipfile.ZipFile(built_zips[service].path) as archive:
        archive.extractall(tmp_path)
    subprocess.run(
        [
            *(sys.executable, "-I", "-S", "-B", "-c", IMPORT_AND_CALL),
            *(str(tmp_path), named(service).module, NOBODY_LISTENS, *named(service).aws_services),
        ],
        check=True,
        env={"PATH": os.environ["PATH"]},
    )


@EACH
def test_a_zip_is_small_and_what_is_said_of_it(built_zips: dict[str, Zip], service: str) -> None:
    assert built_zips[service].size_bytes == built_zips[service].path.stat().st_size
    assert built_zips[service].size_bytes <= 10_000_000
    content = built_zips[service].path.read_bytes()
    assert built_zips[service].sha256 == hashlib.sha256(content).hexdigest()


@EACH
def test_a_zip_has_nothing_that_differs_between_machines(
    built_zips: dict[str, Zip], service: str
) -> None:
    with zipfile.ZipFile(built_zips[service].path) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {stat.S_IFREG | 0o644}
    noise = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
    assert [name for name in names if Path(name).name in noise] == []
    assert [name for name in names if Path(name).suffix in {".pth", ".pyi"}] == []
    assert [name for name in names if name.split("/")[0] in {"bin", "tests"}] == []


@EACH
def test_a_zip_has_no_path_of_this_machine(built_zips: dict[str, Zip], service: str) -> None:
    with zipfile.ZipFile(built_zips[service].path) as archive:
        for name in archive.namelist():
            if name.endswith((".pyc", ".py")):
                content = archive.read(name).decode(errors="replace")
                assert str(ROOT) not in content, name
                assert str(Path(tempfile.gettempdir(), "tmp")) not in content, name


@EACH
def test_every_module_has_bytecode_that_is_taken_whatever_its_time(
    built_zips: dict[str, Zip], service: str
) -> None:
    with zipfile.ZipFile(built_zips[service].path) as archive:
        names = set(archive.namelist())
        modules = [name for name in names if name.endswith(".py")]
        for module in modules:
            compiled = importlib.util.cache_from_source(module)
            head = archive.read(compiled)[:8]
            unchecked_hash = b"\x01\x00\x00\x00"
            assert head == importlib.util.MAGIC_NUMBER + unchecked_hash, compiled
    assert f"{named(service).module}/handler.py" in modules


@EACH
def test_a_zip_has_the_models_that_the_service_uses_and_no_others(
    built_zips: dict[str, Zip], service: str
) -> None:
    with zipfile.ZipFile(built_zips[service].path) as archive:
        models = {
            name.split("/")[2]
            for name in archive.namelist()
            if name.startswith("botocore/data/") and name.count("/") > 2
        }
        s3 = json.loads(archive.read("botocore/data/s3/2006-03-01/service-2.json"))
    assert models == set(named(service).aws_services)
    assert "UpdateObjectEncryption" in s3["operations"]


def test_a_services_zip_has_no_other_service(built_zips: dict[str, Zip]) -> None:
    for service, built in built_zips.items():
        with zipfile.ZipFile(built.path) as archive:
            packages = {name.split("/")[0] for name in archive.namelist()}
        assert packages & {each.module for each in SERVICES} == {named(service).module}
        assert "logferry_contracts" in packages
        assert ("logferry_deliveries" in packages) == (
            service in {"recounter", "sealer", "sse-enforcer"}
        )


@EACH
def test_a_zip_has_of_the_contracts_what_services_read_and_write_by(
    built_zips: dict[str, Zip], service: str
) -> None:
    with zipfile.ZipFile(built_zips[service].path) as archive:
        names = archive.namelist()
    own = {name.split("/")[1] for name in names if name.startswith("logferry_contracts/")}
    assert {"wire.py", "export_completed.py"} <= own
    assert own.isdisjoint({"schemas", "examples", "command.py", "archive.py", "exact.py"})
    assert own.isdisjoint({"signatures.py", "verification"})
    assert not [name for name in names if name.startswith(("jsonschema", "cryptography"))]


@pytest.mark.parametrize(
    ("architecture", "machine"),
    [pytest.param("arm64", b"\xb7\x00", marks=pytest.mark.deep), ("x86_64", b"\x3e\x00")],
)
def test_compiled_modules_are_for_the_architecture_that_was_asked_for(
    built_zips: dict[str, Zip],
    tmp_path: Path,
    architecture: package.Architecture,
    machine: bytes,
) -> None:
    built = built_zips["sse-enforcer"]
    if built.architecture != architecture:
        (built,) = build_zips(tmp_path, services=["sse-enforcer"], architecture=architecture)
    assert built.path.name == f"sse-enforcer-{architecture}.zip"
    with zipfile.ZipFile(built.path) as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".so")]
        assert compiled
        for name in compiled:
            elf = archive.read(name)[:20]
            assert elf[:4] == b"\x7fELF"
            assert elf[18:20] == machine


def test_host_takes_this_machines_own_wheels_where_it_is_no_linux(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    target = Target.of("host")
    assert target.architecture == "arm64"
    assert target.wheel_platform is None
    assert "--python-platform" not in target.options
    assert target.name == "darwin-arm64"


def test_a_machine_that_lambda_does_not_run_on_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(PackageError, match="riscv64"):
        Target.of("host")


def test_another_python_is_refused_since_its_bytecode_would_be_of_no_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(PackageError, match=r"run this with Python 3\.13"):
        build_zips(tmp_path)


def test_what_the_lock_does_not_have_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = tmp_path / "requirements.lock"
    entries = locked_entries(LOCK.read_text())
    lock.write_text("\n".join(e for name, e in entries.items() if not name.startswith("six==")))
    monkeypatch.setattr(package, "LOCK", lock)
    with pytest.raises(PackageError, match=r"planner needs six==\S+, not locked: run make lock"):
        package.requirements("planner", Target.of("host"))


def test_a_lock_is_read_entry_by_entry_without_its_comments() -> None:
    lock = (
        "# made by uv\na==1 ; x \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n    # via b\nb==2"
    )
    assert locked_entries(lock) == {
        "a==1": "a==1 ; x \\\n    --hash=sha256:1 \\\n    --hash=sha256:2",
        "b==2": "b==2",
    }


def test_a_file_that_two_distributions_have_is_told(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text("")
    with pytest.raises(PackageError, match=r"two distributions have same\.py"):
        write_zip(tmp_path / "x.zip", [tmp_path / "one", tmp_path / "two"], ())
    assert not (tmp_path / "x.zip").exists()


def test_what_a_tool_said_is_told_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"uv.* build .*no-such-project"):
        package._own(tmp_path / "no-such-project", Target.of("host"), tmp_path)
