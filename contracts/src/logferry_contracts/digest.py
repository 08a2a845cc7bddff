"""SHA-256 in hexadecimal, as every document of ours has it."""

import hashlib
from typing import Annotated

from pydantic import Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def sha256(data: bytes) -> str:
    """Return the digest of bytes, as `Sha256`."""
    return hashlib.sha256(data).hexdigest()
