"""What docs/verify.md shows is what the command prints."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from contracts.tests import frozen_proofs
from contracts.tests.sealed_archive import Archive
from tests.attacks.places import Folder

from logferry.command import main
from logferry_contracts.command import main as contracts

ROOT = Path(__file__).parents[2]
EXIT = "$ echo $?\n"


def block_of(page: str, name: str) -> str:
    """Return a block of a page by its name."""
    text = (ROOT / page).read_text()
    [block] = re.findall(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", text, re.DOTALL)
    return str(block)


def shown_runs(page: str, name: str) -> list[tuple[str, str, int]]:
    """Return each command of a page's block, what it prints, and its exit code."""
    block = block_of(page, name)
    found = []
    for part in block.split("$ logferry ")[1:]:
        command, rest = part.split("\n", 1)
        shown, code = rest.split(EXIT)
        found.append((command, shown, int(code.split("\n")[0])))
    return found


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A copy of three dates."""
    monkeypatch.chdir(tmp_path)
    place = Folder(tmp_path / "copy")
    archive = Archive(place)
    archive.days(3, ("/aws/lambda/orders", "/ecs/shop"))
    Path("seals.pem").write_text(archive.key.pem)
    return place


def test_the_page_shows_what_the_command_prints(
    archive: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    valid, damaged = shown_runs("docs/verify.md", "run")
    assert printed(valid[0], capsys) == valid[1:]
    key = archive.listed("shop-prod/aws/lambda/orders/2026/11/23")[0]
    archive.put(key, b"x" * 29)
    archive.remove(f"!seals/{Archive(archive).chain}/seals/0000000002.json")
    assert printed(damaged[0], capsys) == damaged[1:]


def test_the_readme_shows_what_a_proof_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(frozen_proofs.EXAMPLES / "archived-by-a-later-seal.json", "orders.json")
    shutil.copy(frozen_proofs.KEY, "seals.pem")
    shutil.copy(frozen_proofs.WITNESS_KEY, "witness.vkey")
    shown = block_of("README.md", "proof")
    command, rest = shown.removeprefix("$ python -m logferry_contracts ").split("\n", 1)
    code = contracts(shlex.split(command))
    assert f"{capsys.readouterr().out}{EXIT}{code}\n" == rest


def test_the_readme_shows_what_the_command_prints_and_how_its_page_begins(
    archive: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = shown_runs("README.md", "verify")
    assert printed(run[0], capsys) == run[1:]
    [head] = re.findall(
        r'<div class="verdict.*?</div>', Path("november.html").read_text(), re.DOTALL
    )
    lines = [re.sub("<.*?>", "", line) for line in head.splitlines()]
    assert "\n".join(lines) == block_of("README.md", "page")


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, int]:
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command))
    assert isinstance(ended.value.code, int)
    lines = capsys.readouterr().out.splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines), ended.value.code
