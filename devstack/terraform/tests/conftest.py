"""Terraform's core from its package, with the test double attached or with a real provider."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from logferry.checkout import ROOT

PYTHON = ROOT / ".venv-terraform" / "bin" / "python"
DOUBLE = ROOT / "devstack" / "terraform" / "src"


@dataclass(frozen=True)
class Terraform:
    """The command, with nothing of this machine's settings and credentials.

    Attributes:
        data: Where it keeps modules: the checkout stays as it is.
        settings: More variables for it.
    """

    data: Path
    settings: Mapping[str, str]
    _prepared: set[Path] = field(default_factory=set)

    def __call__(self, folder: Path, *arguments: str, exit_code: int = 0) -> str:
        """Run it in a folder, and return what it prints."""
        done = subprocess.run(
            [PYTHON, "-m", "terraform_double.terraform", *arguments],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.data),
                "PYTHONPATH": str(DOUBLE),
                "CHECKPOINT_DISABLE": "1",
                "TF_CLI_CONFIG_FILE": os.devnull,
                "TF_DATA_DIR": str(self.data / f".terraform-{folder.name}"),
                "TF_IN_AUTOMATION": "1",
                "NO_COLOR": "1",
                **self.settings,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == exit_code, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def prepare(self, folder: Path) -> None:
        """Find the modules that a folder has, once."""
        if folder not in self._prepared:
            self(folder, "init", "-backend=false")
            self._prepared.add(folder)

    def plan(self, folder: Path, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Plan what is not there yet, and return all resources, those of modules too."""
        self.prepare(folder)
        values, plan = self.data / "values.tfvars.json", self.data / "plan"
        values.write_text(json.dumps(variables))
        self(folder, "plan", f"-var-file={values}", f"-out={plan}", "-lock=false")
        planned = json.loads(self(folder, "show", "-json", str(plan)))["planned_values"]
        modules = [planned["root_module"], *planned["root_module"].get("child_modules", [])]
        return [resource for module in modules for resource in module.get("resources", [])]


@pytest.fixture(scope="session")
def double() -> Iterator[str]:
    """Where the test double serves, as Terraform is told it."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON.parents[1]} is not there: make terraform-check")
    with subprocess.Popen(
        [PYTHON, "-m", "terraform_double.server"],
        env={"PYTHONPATH": str(DOUBLE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.fixture(scope="session")
def terraform(double: str, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform with the test double attached."""
    return Terraform(tmp_path_factory.mktemp("terraform"), {"TF_REATTACH_PROVIDERS": double})


@pytest.fixture
def terraform_with() -> Callable[[Path, Path], Terraform]:
    """Makes a Terraform with the provider in a folder, whatever version it is."""

    def terraform_with(data: Path, provider: Path) -> Terraform:
        settings = data / "settings.tfrc"
        settings.write_text(
            "provider_installation {\n"
            f'  dev_overrides {{ "hashicorp/aws" = {json.dumps(str(provider))} }}\n'
            "}\n"
        )
        return Terraform(data, {"TF_CLI_CONFIG_FILE": str(settings)})

    return terraform_with
