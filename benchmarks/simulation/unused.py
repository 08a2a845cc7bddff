"""What the exporter may call of AWS, and does not where nothing goes wrong."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NoReturn

from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest, ManifestLocation
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError


def _unused(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not simulated: no run was to need it")


class Unused:
    """The methods that no run calls, of all the adapters in `exporter.cloud`."""

    def keys(self, _source: SourceName, _windows: Sequence[Window]) -> list[str]:
        """Of the ledger, for a date's end."""
        _unused("keys")

    def read_keys(self, _keys: Sequence[str]) -> list[tuple[str, LedgerRecord | ContractError]]:
        """Of the ledger, for a date's end."""
        _unused("read_keys")

    def close_day(self, _planned: DayPlanned) -> None:
        """Of the ledger, for a date's end."""
        _unused("close_day")

    def put_manifest(self, _record: LedgerRecord, _manifest: Manifest) -> ManifestLocation:
        """Of the ledger, for more objects than an event has room for."""
        _unused("put_manifest")

    def cancel_task(self, _task_id: str) -> None:
        """Of a source's account, for a window that is too much."""
        _unused("cancel_task")

    def log_group_created_ms(self, _name: str) -> int | None:
        """Of a source's account, for a task that has written nothing."""
        _unused("log_group_created_ms")

    def texts(self, _region: str, _bucket: str, _archived: ArchivedObject) -> Iterator[bytes]:
        """Of the archive, for what is missing of an export."""
        _unused("texts")

    def remove(self, _region: str, _bucket: str, _folder: str) -> list[str]:
        """Of the archive, for a task that has failed."""
        _unused("remove")

    def region_of(self, _region: str, _bucket: str) -> str | None:
        """Of the archive, for a refusal."""
        _unused("region_of")

    def send_beside(self, _event: ExportRequested, *, asked_by: str) -> None:
        """Of the queue, for an addendum that a person has put into the slot's."""
        _unused(f"send_beside asked by {asked_by}")

    def send_to_the_tail(self, _event: ExportRequested, *, instead_of: str, tries: int) -> None:
        """Of the queue, for an error that lasts."""
        _unused(f"send_to_the_tail instead of {instead_of}, {tries} tries")

    @property
    def retention(self) -> timedelta:
        """Of the queue, for a date's end."""
        _unused("retention")

    def dead_letter(
        self, _body: str, *, group_id: str, message_id: str, reason: str, detail: str
    ) -> None:
        """Of the queue, for what fails."""
        _unused(f"dead_letter of {group_id}, {message_id}: {reason}: {detail}")
