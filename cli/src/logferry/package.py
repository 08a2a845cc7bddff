"""The services' Lambda zips, built from the lock: the same bytes from the same checkout.

A zip is put together from distributions: third parties', each prepared once for all services and
kept in ``build/packages``, and our own, built anew as wheels. An editable install would put a path
of this machine into the zip.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from logferry import sdk
from logferry.checkout import BUILD, LOCK, ROOT, uv
from logferry.errors import PackageError
from logferry.fields import Architecture
from logferry.services import NAMES, named

RUNTIME = (3, 13)
"""Lambda's python3.13. Bytecode is good for one version of Python only."""
TASK_ROOT = "/var/task"
"""Where Lambda unpacks a zip, as tracebacks name it.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""
WORKERS = 2

_WHEEL_PLATFORMS: dict[Architecture, str] = {
    "arm64": "aarch64-manylinux_2_28",
    "x86_64": "x86_64-manylinux_2_28",
}
"""Lambda's Amazon Linux 2023 has glibc 2.34; older hosts that run LocalStack have 2.28.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""
_MACHINES: dict[str, Architecture] = {
    "aarch64": "arm64",
    "amd64": "x86_64",
    "arm64": "arm64",
    "x86_64": "x86_64",
}

_NOT_AT_RUN_TIME = {"tests", "bin"}
_FOR_SUBSCRIBERS = {
    f"logferry_contracts/{name}"
    for name in (
        *("examples", "schemas", "__main__.py", "archive.py", "command.py"),
        *("documents.py", "events.py", "exact.py", "signatures.py", "verification"),
    )
}
"""What the contracts have for others: a service reads and writes by the models alone."""
_INSTALLERS_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
"""They differ from one installation to the next."""
_TYPING_ONLY = {".pyi", ".typed"}

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold."""
_FILE_MODE = 0o100644
_UNIX = 3

SHARED = {
    "logferry-contracts": "contracts",
    "logferry-deliveries": "deliveries",
    "logferry-ledger": "ledger",
}
"""Our own distributions that services share, and their folders."""

type Report = Callable[[str], None]


@dataclass(frozen=True)
class Zip:
    """A service's zip.

    Attributes:
        architecture: What its compiled modules run on.
        sha256: Of its bytes, in hex.
        version: The service's own.
    """

    service: str
    architecture: Architecture
    path: Path
    sha256: str
    size_bytes: int
    version: str


@dataclass(frozen=True)
class Target:
    """What the zips will run on.

    Attributes:
        wheel_platform: As uv names it; None takes this machine's own wheels.
    """

    architecture: Architecture
    wheel_platform: str | None

    @classmethod
    def of(cls, architecture: Architecture | Literal["host"]) -> "Target":
        """Return Lambda's platform of an architecture, or what this machine itself can run.

        Raises:
            PackageError: This machine is of neither of Lambda's architectures.
        """
        if architecture != "host":
            return cls(architecture, _WHEEL_PLATFORMS[architecture])
        machine = _MACHINES.get(platform.machine().lower())
        if machine is None:
            raise PackageError(f"Lambda does not run on this machine's {platform.machine()}")
        is_linux = sys.platform == "linux"
        return cls(machine, _WHEEL_PLATFORMS[machine] if is_linux else None)

    @property
    def name(self) -> str:
        """The name of what was prepared for it."""
        return self.wheel_platform or f"{sys.platform}-{self.architecture}"

    @property
    def options(self) -> list[str]:
        """Options of ``uv pip``."""
        version = ".".join(map(str, RUNTIME))
        for_platform = ["--python-platform", self.wheel_platform] if self.wheel_platform else []
        return ["--python-version", version, *for_platform]


def build_zips(
    out: Path,
    *,
    services: Sequence[str] = NAMES,
    architecture: Architecture | Literal["host"] = "host",
    report: Report = lambda _: None,
) -> list[Zip]:
    """Build the zips of services into the folder ``out``.

    Args:
        out: Made when it is not there.
        services: Which services.
        architecture: ``host`` is for LocalStack on this machine.
        report: Called with a line for each step that is done.

    Raises:
        PackageError: A step failed, with what it said.
    """
    if sys.version_info[:2] != RUNTIME:
        raise PackageError(
            f"zips hold bytecode: run this with Python {RUNTIME[0]}.{RUNTIME[1]}, "
            f"not {platform.python_version()}"
        )
    target = Target.of(architecture)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(WORKERS) as pool:
        ours = {service: [f"services/{service}", *_shared(service)] for service in services}
        own = {
            path: pool.submit(_own, ROOT / path, target, Path(scratch))
            for path in sorted({path for paths in ours.values() for path in paths})
        }
        needed = {service: pool.submit(requirements, service, target) for service in services}
        every = sorted({some for found in needed.values() for some in found.result()})
        third_party = dict(
            zip(every, pool.map(lambda some: _third_party(some, target), every), strict=True)
        )
        report(f"{len(every)} distributions for {target.name}")
        zips = {}
        for service in services:
            folders = [own[path].result() for path in ours[service]]
            folders += [third_party[some] for some in needed[service].result()]
            path = out / f"{service}-{target.architecture}.zip"
            zips[service] = pool.submit(_zip, service, target.architecture, path, folders)
        for built in zips.values():
            done = built.result()
            report(f"{done.path.name}  {done.size_bytes / 1e6:.1f} MB  sha256 {done.sha256}")
        return [built.result() for built in zips.values()]


def requirements(service: str, target: Target) -> list[str]:
    """Return the lock's entries for a service's third parties, each with its hashes.

    Raises:
        PackageError: The service needs what the lock does not have.
    """
    pinned = _run(
        *("pip", "compile", f"services/{service}/pyproject.toml", "--constraint", str(LOCK)),
        *("--no-header", "--no-annotate", "--no-emit-index-url"),
        *(option for name in SHARED for option in ("--no-emit-package", name)),
        *target.options,
    ).splitlines()
    locked = locked_entries(LOCK.read_text())
    missing = [pin for pin in pinned if pin not in locked]
    if missing:
        raise PackageError(f"{service} needs {', '.join(missing)}, not locked: run make lock")
    return [locked[pin] for pin in pinned]


def locked_entries(lock: str) -> dict[str, str]:
    """Return a lock's entries by their ``name==version``, without comments."""
    lines = [line for line in lock.splitlines() if not line.lstrip().startswith("#")]
    entries = re.split(r"\n(?=\S)", "\n".join(lines).strip())
    return {entry.split()[0]: entry for entry in entries}


def write_zip(path: Path, folders: Iterable[Path], aws_services: Collection[str]) -> None:
    """Write the files below ``folders`` into one zip, sorted, with fixed times and modes.

    Raises:
        PackageError: Two folders have the same file.
    """
    files: dict[str, bytes] = {}
    for folder in folders:
        for name, content in _files(folder, aws_services):
            if name in files:
                raise PackageError(f"{path.name}: two distributions have {name}")
            files[name] = content
    unfinished = path.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _FILE_MODE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    unfinished.replace(path)


def _files(folder: Path, aws_services: Collection[str]) -> Iterable[tuple[str, bytes]]:
    for place, folders, names in os.walk(folder):
        within = PurePosixPath(Path(place).relative_to(folder).as_posix())
        # Most are botocore's, of other AWS services: thousands of files for each zip.
        folders[:] = [
            name for name in folders if sdk.is_needed(within / name / "any", aws_services)
        ]
        for name in names:
            if sdk.is_needed(within / name, aws_services):
                content = Path(place, name).read_bytes()
                kept, content = sdk.trimmed(within / name, content, aws_services)
                yield str(kept), content


def _third_party(requirement: str, target: Target) -> Path:
    name = requirement.split(maxsplit=1)[0].replace("==", "-")
    digest = hashlib.sha256(f"{requirement}\n{_recipe()}".encode()).hexdigest()[:12]
    kept = BUILD / "packages" / target.name / f"{name}-{digest}"
    if kept.is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        listed = Path(scratch) / "requirements.txt"
        listed.write_text(requirement + "\n")
        folder = Path(scratch) / "folder"
        _install(folder, target, "--require-hashes", "-r", str(listed))
        try:
            folder.rename(kept)
        except OSError:
            if not kept.is_dir():  # otherwise somebody else was faster
                raise
    return kept


def _own(project: Path, target: Target, scratch: Path) -> Path:
    wheels = scratch / "wheels" / project.name
    _run("build", "--quiet", "--wheel", "--out-dir", str(wheels), str(project))
    folder = scratch / "own" / project.name
    _install(folder, target, *map(str, wheels.glob("*.whl")))
    return folder


def _install(folder: Path, target: Target, *what: str) -> None:
    """Install into a folder, leave what Lambda needs, and compile it."""
    _run(
        *("pip", "install", "--quiet", "--no-deps", "--no-compile-bytecode", "--no-build"),
        *("--target", str(folder), *target.options, *what),
    )
    for path in sorted(folder.rglob("*"), reverse=True):
        is_others = path.relative_to(folder).as_posix() in _FOR_SUBSCRIBERS
        if path.is_dir():
            if is_others or path.name in _NOT_AT_RUN_TIME:
                shutil.rmtree(path)
        elif (
            is_others
            or path.name in _INSTALLERS_NOTES
            or path.suffix in _TYPING_ONLY
            or path.name == ".lock"
        ):
            path.unlink()
    # "unchecked": Python takes it whatever the time of the source, which a zip does not keep.
    # A process of its own: what else has been loaded shows in the bytecode.
    compiled = ("--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", TASK_ROOT)
    _call([sys.executable, "-I", "-m", "compileall", "-qq", *compiled, str(folder)])


@cache
def _recipe() -> str:
    """Return what else than its requirement decides on a distribution's folder."""
    return f"{platform.python_version()} {Path(__file__).read_text()}"


def _zip(service: str, architecture: Architecture, path: Path, folders: list[Path]) -> Zip:
    write_zip(path, folders, named(service).aws_services)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return Zip(service, architecture, path, digest, len(content), _version(service))


def _version(service: str) -> str:
    version: str = _project(service)["version"]
    return version


def _shared(service: str) -> list[str]:
    """Return the folders of what it shares with others."""
    return [SHARED[name] for name in _project(service)["dependencies"] if name in SHARED]


def _project(service: str) -> dict[str, Any]:
    text = (ROOT / "services" / service / "pyproject.toml").read_text()
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


def _run(*arguments: str) -> str:
    """Run uv on the interpreter that runs this, whatever environment is active."""
    on = ["--python", sys.executable]
    return _call([str(uv()), *arguments, *on])


def _call(command: list[str]) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
    }
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PackageError(f"{' '.join(command)}\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
