"""The checkout that this command belongs to: its services, its templates and its uv."""

import shutil
from pathlib import Path

from logferry.errors import PackageError

ROOT = Path(__file__).resolve().parents[3]
"""The command is installed from its checkout (make install), and deploys what is there."""
TEMPLATES = ROOT / "deploy"
LOCK = ROOT / "requirements.lock"
BUILD = ROOT / "build"


def uv() -> Path:
    """Return the uv to build with: the checkout's own, or the one on the PATH.

    Raises:
        PackageError: There is none.
    """
    own = ROOT / ".uv" / "bin" / "uv"
    if own.exists():
        return own
    found = shutil.which("uv")
    if found is None:
        raise PackageError(f"no uv at {own} and none on the PATH: run make install")
    return Path(found)
