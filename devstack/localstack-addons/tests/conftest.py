"""The add-ons live in LocalStack's environment; what needs no LocalStack is tested in this one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
