"""A service is one entry and one folder; where a file has to repeat it, what it lacks is named.

docs/new-service.md tells what each of them is for.
"""

import tomllib
from typing import Any

import pytest
import yaml
from benchmarks.cold_start import first_messages

from logferry.checkout import ROOT, TEMPLATES
from logferry.services import NAMES, SERVICES, Service

EACH = pytest.mark.parametrize("service", SERVICES, ids=NAMES)
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]


def contract(name: str) -> dict[str, Any]:
    """An import contract of pyproject.toml, by the beginning of its name."""
    found: list[dict[str, Any]] = [
        each for each in TOOLS["importlinter"]["contracts"] if each["name"].startswith(name)
    ]
    return found[0] if found else {}


def test_every_folder_of_services_has_an_entry() -> None:
    folders = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}
    assert folders == set(NAMES)


@EACH
def test_a_services_folder_has_what_every_service_has(service: Service) -> None:
    folder = ROOT / "services" / service.name
    source = folder / "src" / service.module
    needed = [
        *(folder / name for name in ("README.md", "pyproject.toml", "tests")),
        *(source / name for name in ("__init__.py", "py.typed", "handler.py", "settings.py")),
        source / "errors.py",
        TEMPLATES / service.template,
    ]
    lacking = [str(path.relative_to(ROOT)) for path in needed if not path.exists()]
    assert not lacking, f"there is no {', no '.join(lacking)}"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == service.name


@EACH
def test_the_tools_lists_have_each_service(service: Service) -> None:
    source, module = f"services/{service.name}/src", service.module
    linter = TOOLS["importlinter"]
    lists = {
        "tool.coverage.run.source_pkgs": (module, TOOLS["coverage"]["run"]["source_pkgs"]),
        "tool.mypy.mypy_path": (source, TOOLS["mypy"]["mypy_path"].split(":")),
        "tool.ruff.src": (source, TOOLS["ruff"]["src"]),
        "tool.importlinter.root_packages": (module, linter["root_packages"]),
        **{
            f"tool.importlinter.contracts: {name}: {key}": (module, contract(name).get(key, []))
            for name, key in (
                ("Services know each other only through contracts", "modules"),
                ("Contracts know no service", "forbidden_modules"),
                ("Services never import the tools", "source_modules"),
                ("Services read and write by the models alone", "source_modules"),
                (f"{service.name}: handler >", "containers"),
            )
        },
    }
    lacking = [
        f"{where} lacks {what}" for where, (what, listed) in lists.items() if what not in listed
    ]
    rules = contract("Rules run without AWS")["source_modules"]
    if not any(name.startswith(f"{module}.") for name in rules):
        lacking.append(f"tool.importlinter.contracts: Rules run without AWS: no rule of {module}")
    if not contract(f"{service.name}: handler >").get("exhaustive"):
        lacking.append(f"tool.importlinter.contracts: the layers of {module} are not exhaustive")
    assert not lacking, "\n".join(lacking)


@EACH
def test_the_messages_of_each_service_are_in_asyncapi(service: Service) -> None:
    document = yaml.safe_load((ROOT / "contracts" / "asyncapi.yaml").read_text())
    tags = {tag["name"] for each in document["operations"].values() for tag in each["tags"]}
    assert service.name in tags


@EACH
def test_the_readme_leads_to_each_services(service: Service) -> None:
    assert f"](services/{service.name}/README.md)" in (ROOT / "README.md").read_text()


def test_the_cold_start_of_each_service_is_measured() -> None:
    assert first_messages().keys() == set(NAMES)
