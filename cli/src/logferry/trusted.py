"""The public keys that somebody trusts, from files."""

from collections.abc import Iterable
from pathlib import Path

from logferry.errors import ConfigError
from logferry_contracts.signatures import TrustedKey, UnusableKeyError


def trusted_keys(paths: Iterable[Path]) -> tuple[TrustedKey, ...]:
    """Read the public keys that somebody trusts.

    Raises:
        ConfigError: One cannot be read, or is none; names all of them.
    """
    found, problems = [], []
    for path in paths:
        try:
            found.append(TrustedKey.from_pem(path.read_bytes(), str(path)))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except UnusableKeyError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("--key", problems)
    return tuple(found)
