"""A folder that `contracts.tests.sealed_archive.Archive` writes into as into a bucket."""

from pathlib import Path

from contracts.tests.sealed_archive import Bucket


class Folder(Bucket):
    """The copy of a bucket; nothing of it is in memory."""

    def __init__(self, root: Path) -> None:
        """Write below a folder."""
        super().__init__()
        self.root = root

    def put(self, key: str, data: bytes, *, is_held: bool = True) -> str:
        """Write a file."""
        del is_held
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return "v1"
