"""What a shell completes, once `logferry --install-completion` was run: tried in bash itself."""

import subprocess
from pathlib import Path

import pytest

from logferry.command import main

ASK = """
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_logferry
echo "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "completion"
    with pytest.raises(SystemExit) as ended:
        main(["--install-completion", "--shell", "bash", "--output", str(path)])
    assert ended.value.code == 0
    return path


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["tha"], {"thaw"}),
        (["search", "words", "copy", "--log-"], {"--log-group"}),
        (["fetch", "copy", "--format", "p"], {"parquet"}),
        (["thaw", "copy", "--tier", ""], {"Expedited", "Standard", "Bulk"}),
    ],
)
def test_commands_options_and_choices_are_completed(
    script: Path, typed: list[str], completed: set[str]
) -> None:
    asked = ["bash", "-c", ASK, "bash", str(script), "logferry", *typed]
    found = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) == completed
