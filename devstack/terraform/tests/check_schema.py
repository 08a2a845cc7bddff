"""On demand: the schema that is committed is what the bindings say (make terraform-apply-check)."""

import os
import subprocess
import sys

from logferry.checkout import BUILD, ROOT

TERRAFORM = ROOT / "devstack" / "terraform"


def test_the_schema_is_the_bindings() -> None:
    read = subprocess.run(
        [sys.executable, "-m", "terraform_double.bindings", BUILD / "terraform" / "providers"],
        env={**os.environ, "PYTHONPATH": str(TERRAFORM / "src")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert read.stdout == (TERRAFORM / "provider_schema.json").read_text()
