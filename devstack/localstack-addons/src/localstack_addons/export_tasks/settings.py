"""How export tasks behave on this machine: their pace, their objects' size, which of them fail.

One set of defaults, and on top of it what one account asked for, so that tests side by side do not
disturb each other. A task keeps the settings that it was made under.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The pace and the fate of a task.

    Attributes:
        pending_s: How long a task stays PENDING.
        running_s: How long a task is RUNNING, however little it exports.
        age_s: How much older a task says it is than it is.
        cancel_s: How long a cancelled task stays PENDING_CANCEL.
        bytes_per_second: Uncompressed bytes exported a second, on top of `running_s`; 0 is no
            limit.
        part_bytes: Uncompressed bytes after which the next object of a stream begins.
        fail_pattern: Tasks FAIL whose log group's name this regular expression finds; empty for
            none.
        fail_count: How many more tasks fail in that way; None for all.
        history: How many tasks of an account and Region are remembered.
        organization_id: The organisation all accounts belong to, for `aws:SourceOrgID`; empty for
            none.
    """

    pending_s: float = 0.1
    running_s: float = 0.2
    age_s: float = 0
    cancel_s: float = 0.1
    bytes_per_second: int = 0
    part_bytes: int = 50_000_000
    fail_pattern: str = ""
    fail_count: int | None = None
    history: int = 1000
    organization_id: str = "o-exampleorgid"


class SettingsError(ValueError):
    """A setting that does not exist or a value it cannot take: the caller has to correct it."""


class SettingsBook:
    """The settings of every account, to be changed at any time and by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._default = Settings()
        self._changes: dict[str, dict[str, Any]] = {}

    def change(self, changes: Mapping[str, Any], account_id: str | None = None) -> None:
        """Change settings of one account, or of all that have none of their own (None).

        Raises:
            SettingsError: Nothing was changed.
        """
        _check(changes)
        with self._lock:
            if account_id is None:
                self._default = replace(self._default, **changes)
            else:
                self._changes.setdefault(account_id, {}).update(changes)

    def of(self, account_id: str) -> Settings:
        """The settings that hold for an account now."""
        with self._lock:
            return self._of(account_id)

    def take_failure(self, account_id: str, log_group_name: str) -> bool:
        """Whether the next task of this log group has to fail; counts it if so."""
        with self._lock:
            settings = self._of(account_id)
            left = settings.fail_count
            if left == 0 or not _found(settings.fail_pattern, log_group_name):
                return False
            if left is not None:
                self._count_down(account_id, left)
            return True

    def as_document(self) -> dict[str, Any]:
        """All of it: `{"default": {...}, "accounts": {"111111111111": {"running_s": 5}}}`."""
        with self._lock:
            accounts = {account_id: dict(c) for account_id, c in self._changes.items()}
            return {"default": asdict(self._default), "accounts": accounts}

    def _of(self, account_id: str) -> Settings:
        return replace(self._default, **self._changes.get(account_id, {}))

    def _count_down(self, account_id: str, left: int) -> None:
        own = self._changes.get(account_id, {})
        if "fail_count" in own:
            own["fail_count"] = left - 1
        else:
            self._default = replace(self._default, fail_count=left - 1)


def _found(pattern: str, name: str) -> bool:
    return bool(pattern) and re.search(pattern, name) is not None


_TEXTS = {"fail_pattern", "organization_id"}
_WHOLE = {"bytes_per_second", "part_bytes", "fail_count", "history"}
_AT_LEAST_ONE = {"part_bytes", "history"}


def _check(changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if name not in {f.name for f in fields(Settings)}:
            raise SettingsError(f"There is no setting {name!r}")
        _check_value(name, value)


def _check_value(name: str, value: Any) -> None:
    if name == "fail_count" and value is None:
        return
    if name in _TEXTS:
        _check_text(name, value)
        return
    wanted = int if name in _WHOLE else int | float
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise SettingsError(f"{name} is a number, not {value!r}")
    least = 1 if name in _AT_LEAST_ONE else 0
    if value < least:
        raise SettingsError(f"{name} is at least {least}, not {value}")


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise SettingsError(f"{name} is a text, not {value!r}")
    if name == "fail_pattern":
        try:
            re.compile(value)
        except re.error as error:
            raise SettingsError(f"fail_pattern {value!r} is no regular expression") from error
