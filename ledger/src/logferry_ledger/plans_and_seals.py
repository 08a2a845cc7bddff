"""Whether a source is planned and sealed, by what planner and sealer have written down."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from logferry_contracts import json_text
from logferry_contracts.inventory import SELECTED, ListedLogGroup
from logferry_contracts.ledger_key import (
    CONTRADICTED_NOTES,
    LACKING_NOTES,
    chain_note_key,
    inventories_from,
    inventories_prefix,
    inventory_planned_at,
    seal_notes_prefix,
    window_of,
)
from logferry_contracts.message import epoch_ms, from_epoch_ms
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from logferry_ledger.errors import LedgerError
from logferry_ledger.scheduled import LONGEST_UNIT, Scheduled

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NEVER_PLANNED = "nothing in the ledger: has it been planned?"
LOOKED_BACK = timedelta(days=35)
"""How far back the newest inventory of a source without records is looked for."""

FIRST_KEYS = 10
"""So many are listed where the first inventory is looked for, which nearly always is the first."""


@dataclass(frozen=True)
class Plans:
    """What is to be said of a source's plans.

    Attributes:
        problem: What is amiss, in words; None for nothing.
        has_nothing: Whether the newest one has found no log group that is to be archived.
    """

    problem: str | None = None
    has_nothing: bool = False


@dataclass(frozen=True)
class Noted:
    """An export of which the sealer has noted that its last seal has something amiss."""

    log_group: str
    window: Window

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {"log_group": self.log_group, "window": self.window.model_dump()}


@dataclass(frozen=True)
class Sealed:
    """Which windows of a source are sealed, as far as the control bucket tells.

    Attributes:
        covers: The dates that the sealer still looks at.
        since: When the first inventory was written: seals go on without a gap from the newest date
            that had ended then; None where there is none.
    """

    covers: Sequence[Window]
    since: datetime | None

    def has(self, window: Window) -> bool:
        """Whether a window is sealed; of one that was sealed late, long ago, that is not known."""
        if any(
            each.from_ms <= window.from_ms and window.to_ms <= each.to_ms for each in self.covers
        ):
            return True
        oldest = min((each.from_ms for each in self.covers), default=0)
        return self.since is not None and self.since <= window.end and window.to_ms <= oldest


class Notes:
    """The inventories of plans, and the sealer's notes of chains."""

    def __init__(self, s3: "S3Client", control_bucket: str) -> None:
        """Read those of a hub."""
        self._s3 = s3
        self._bucket = control_bucket

    def plans(self, source: Scheduled, newest: Window | None, now: datetime) -> Plans:
        """Return what is to be said of a source's plans.

        Args:
            source: As it is scheduled.
            newest: The newest window of the ledger; None where it has none.
            now: Aware.
        """
        if newest is None:
            found = self._inventories(source.name, now - LOOKED_BACK)
            is_empty = bool(found) and not self._has_selected(found[-1])
            return Plans(has_nothing=True) if is_empty else Plans(NEVER_PLANNED)
        if newest.end >= now or not source.is_on:
            return Plans()  # such as up to the last day that a clock can show
        due_at = newest.end + source.next_after
        if now - due_at <= source.slack:
            return Plans()
        found = self._inventories(source.name, due_at)
        if found and not self._has_selected(found[-1]):
            return Plans(has_nothing=True)
        told = "plans find log groups, but record" if found else "no plan has come to record"
        return Plans(f"{told} nothing since {newest.end:%Y-%m-%d %H:%M}")

    def unsealed_since(
        self, source: Scheduled, within: timedelta, now: datetime
    ) -> datetime | None:
        """Return up to when a source is sealed, where more should be; None where not.

        What the sealer has noted and nobody can read, it writes anew: until then nothing is known.

        Args:
            source: As it is scheduled.
            within: How long after its end a date is sealed at the latest.
            now: Aware.
        """
        dates = self._sealed_dates(source.name)
        if dates is None:
            return None
        sealed = from_epoch_ms(max(each.to_ms for each in dates)) if dates else None
        if sealed is None:
            first = self._first_inventory(source.name)
            if first is None:
                return None  # a planner of before there were seals
            sealed = first
        if sealed >= now:
            return None
        due_at = sealed + LONGEST_UNIT["day"] + within + source.slack
        return sealed if due_at < now else None

    def newest_inventory(self, name: SourceName, now: datetime) -> list[ListedLogGroup] | None:
        """Return the log groups that the newest plan has listed; None where there was none lately.

        Raises:
            LedgerError: It cannot be read.
        """
        found = self._inventories(name, now - LOOKED_BACK)
        if not found:
            return None
        try:
            return [parse(ListedLogGroup, line) for line in self._lines(found[-1])]
        except ContractError as error:
            raise LedgerError(f"{self._bucket}/{found[-1]}: {error}") from error

    def of_seals(self, what: str, name: SourceName) -> list[Noted]:
        """Return what is amiss with the last seals, of any age, oldest first.

        Args:
            what: As keys of the control bucket say it: `CONTRADICTED_NOTES` or `LACKING_NOTES`.
            name: The source's.
        """
        prefix = seal_notes_prefix(what, name.account_id, name.region)
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        there = (each["Key"] for page in pages for each in page.get("Contents", []))
        found = []
        for key in there:
            with suppress(ValueError):  # what somebody has put there is no note
                window = window_of(f"/{key.removeprefix(prefix).partition('/')[0]}/")
                log_group = b"".join(self._lines(key)).decode(errors="replace")
                if log_group:  # otherwise a later seal says otherwise
                    found.append(Noted(log_group, window))
        return found

    def amiss(self, name: SourceName) -> dict[str, list[Noted]]:
        """Return what is amiss with the last seals, of each kind that `of_seals` knows.

        Mostly nothing is, which one call says of both.
        """
        above = chain_note_key(name.account_id, name.region).rpartition("/")[0]
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{above}/", Delimiter="/"
        )
        there = {each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])}
        return {
            what: self.of_seals(what, name)
            if seal_notes_prefix(what, name.account_id, name.region) in there
            else []
            for what in (CONTRADICTED_NOTES, LACKING_NOTES)
        }

    def sealed(self, name: SourceName) -> Sealed:
        """Return which windows of a source are sealed."""
        return Sealed(self._sealed_dates(name) or [], self._first_inventory(name))

    def _sealed_dates(self, name: SourceName) -> list[Window] | None:
        """Return the dates that the sealer has noted; None where nobody can read that."""
        key = chain_note_key(name.account_id, name.region)
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return []
        try:
            dates = json_text.read(body).get("dates", [])
            return [Window.model_validate(each["covers"]) for each in dates]
        except (ValueError, TypeError, AttributeError, KeyError):
            return None

    def _first_inventory(self, name: SourceName) -> datetime | None:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=inventories_prefix(name),
            PaginationConfig={"PageSize": FIRST_KEYS},
        )
        keys = (each["Key"] for page in pages for each in page.get("Contents", []))
        times = (inventory_planned_at(name, key) for key in keys)
        at_ms = next((each for each in times if each is not None), None)
        return None if at_ms is None else from_epoch_ms(at_ms)

    def _inventories(self, name: SourceName, since: datetime) -> list[str]:
        """Return the keys of the inventories of plans since then, oldest first.

        What somebody has put there is none, and would be the newest by its name.
        """
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=inventories_prefix(name),
            StartAfter=inventories_from(name, max(0, epoch_ms(since))),
        )
        keys = (each["Key"] for page in pages for each in page.get("Contents", []))
        return [key for key in keys if inventory_planned_at(name, key) is not None]

    def _has_selected(self, key: str) -> bool:
        """Whether an inventory has a log group that is to be archived; in doubt, it has."""
        return any(map(_is_selected, self._lines(key)))

    def _lines(self, key: str) -> Iterator[bytes]:
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
        yield from body.iter_lines()


def _is_selected(line: bytes) -> bool:
    try:
        return parse(ListedLogGroup, line).verdict == SELECTED
    except ContractError:
        return True
