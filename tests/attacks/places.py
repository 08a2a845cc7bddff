"""Where a sealed archive is attacked: in a bucket with versions and holds, or in a copy of it."""

import shutil
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from contracts.tests.sealed_archive import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


LONGEST_NAME = 255
"""Of a file, as Linux, macOS and Windows take it; of a log group it is 512."""


class Folder(Bucket):
    """A folder, as ``aws s3 sync`` leaves it."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self._numbers = count(1)

    def put(self, key: str, data: bytes, *, is_held: bool = True) -> str:
        # What leads out of the folder, or has too long a name, is skipped with a warning.
        if ".." not in key.split("/") and all(len(each) <= LONGEST_NAME for each in key.split("/")):
            path = self.root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return f"a-version-of-the-bucket-{next(self._numbers)}"

    def remove(self, key: str) -> None:
        (self.root / key).unlink()

    def replace(self, key: str, data: bytes) -> None:
        self.put(key, data)

    def copy_over(self, key: str) -> None:
        self.put(key, self.data(key))

    def data(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def listed(self, prefix: str) -> list[str]:
        """Return the keys that begin so, in order."""
        paths = (path for path in self.root.rglob("*") if path.is_file())
        keys = sorted(path.relative_to(self.root).as_posix() for path in paths)
        return [key for key in keys if key.startswith(prefix)]

    def moved(self, to: Path) -> "Folder":
        """Return it after it was moved elsewhere."""
        shutil.move(self.root, to)
        return Folder(to)


class S3Bucket(Bucket):
    """A bucket of moto's, with Object Lock."""

    def __init__(self, s3: "S3Client", name: str, region: str) -> None:
        super().__init__()
        self.s3 = s3
        self.name = name
        s3.create_bucket(
            Bucket=name,
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
        )

    def put(self, key: str, data: bytes, *, is_held: bool = True) -> str:
        status: Literal["ON", "OFF"] = "ON" if is_held else "OFF"
        return self.s3.put_object(
            Bucket=self.name, Key=key, Body=data, ObjectLockLegalHoldStatus=status
        )["VersionId"]

    def hide(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=key)

    def lift(self, key: str) -> None:
        """Lift the hold of the newest version."""
        self.s3.put_object_legal_hold(Bucket=self.name, Key=key, LegalHold={"Status": "OFF"})

    def remove(self, key: str) -> None:
        self.lift(key)
        for each in self.s3.list_object_versions(Bucket=self.name, Prefix=key)["Versions"]:
            self.s3.delete_object(Bucket=self.name, Key=key, VersionId=each["VersionId"])

    def replace(self, key: str, data: bytes) -> None:
        self.remove(key)
        self.put(key, data)

    def copy_over(self, key: str) -> None:
        self.replace(key, self.data(key))

    def data(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()

    def listed(self, prefix: str) -> list[str]:
        """Return the keys that begin so, in order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def copied(self, to: "Bucket") -> None:
        """Copy the newest version of each key, as ``aws s3 sync`` does."""
        for key in self.listed(""):
            to.put(key, self.data(key))
