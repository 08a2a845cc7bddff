"""Archives in folders, as somebody has copied them."""

from pathlib import Path
from typing import Any

import pytest
from contracts.tests.sealed_archive import Bucket

from logferry.folder_store import FolderStore


class Copy(Bucket):
    """An archive in a folder."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def put(self, key: str, data: bytes, *, is_held: bool = True) -> str:
        (self.root / key).parent.mkdir(parents=True, exist_ok=True)
        (self.root / key).write_bytes(data)
        return "a-version"

    def data(self, key: str) -> bytes:
        return (self.root / key).read_bytes()


def end_at(date: str, end: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """End whatever opens a file of a date, such as ``2026/11/23``, by an error."""
    real = FolderStore.open

    def ended(self: FolderStore, key: str, version_id: str | None) -> Any:
        if date in key:
            raise end
        return real(self, key, version_id)

    monkeypatch.setattr(FolderStore, "open", ended)
