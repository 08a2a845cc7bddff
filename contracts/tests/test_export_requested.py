"""A request for an export and the export's first record, each as it follows from the other."""

from datetime import UTC, datetime

import pytest
from contracts.tests.documents import examples

from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LEDGER_SCHEMA, LedgerRecord
from logferry_contracts.source import Source
from logferry_contracts.wire import emit, parse

AT = datetime(2026, 11, 23, 6, 30, 0, 250_000, tzinfo=UTC)
REQUESTS = {
    each.reason: parse(ExportRequested, each.text).data
    for each in examples("accept")
    if each.message == "export-requested"
}
RECORDS = {
    each.reason: parse(LedgerRecord, each.text)
    for each in examples("accept")
    if each.message == "ledger-record"
}
ASKED = ExportRequestedData.model_fields.keys() - {"recounted_at", "streams"}
"""Of an export: what is missing of one is asked for once it has a record."""


def source_of(record: LedgerRecord) -> Source:
    role_arn = f"arn:aws:iam::{record.source.account_id}:role/logferry-source"
    return Source(**dict(record.source), role_arn=role_arn, external_id="shared-secret")


@pytest.mark.parametrize("reason", REQUESTS)
def test_a_request_and_the_first_record_of_its_export_say_the_same(reason: str) -> None:
    request = REQUESTS[reason]

    record = request.first_record(AT)

    assert parse(LedgerRecord, emit(record)) == record
    assert (record.state, record.revision, record.record_schema) == ("requested", 1, LEDGER_SCHEMA)
    assert record.requested_at == "2026-11-23T06:30:00.250Z"
    first = request.model_copy(update={"recounted_at": None, "streams": None})
    assert ExportRequestedData.of_record(record, request.source) == first


@pytest.mark.parametrize("reason", RECORDS)
def test_a_record_of_any_state_is_asked_for_as_it_was_at_first(reason: str) -> None:
    record = RECORDS[reason]
    source = source_of(record)

    request = ExportRequestedData.of_record(record, source)

    assert request.source == source
    first = request.first_record(datetime.fromisoformat(record.requested_at))
    asked = ASKED - {"estimated_bytes", "offered"}
    assert {name: getattr(first, name) for name in asked} == {
        name: getattr(record, name) for name in asked
    }
    assert (first.offered is None) == (record.offered is None)
    assert first.estimated_bytes == (record.estimated_bytes or None)


def test_a_first_record_has_all_that_a_request_says() -> None:
    assert LedgerRecord.model_fields.keys() >= ASKED


def test_a_size_that_nobody_knows_is_none_in_the_ledger_and_no_bytes_in_a_request() -> None:
    request = REQUESTS["standard-day"].model_copy(update={"estimated_bytes": 0})

    assert request.first_record(AT).estimated_bytes is None
    assert ExportRequestedData.of_record(request.first_record(AT), request.source) == request
