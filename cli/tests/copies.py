"""Archives in folders, as somebody has copied them."""

from pathlib import Path

from contracts.tests.sealed_archive import Bucket


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
