"""A ledger record as it lies in the control bucket, where somebody may have copied another one."""

from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.wire import ContractError, parse


def copied(key: str, record: LedgerRecord) -> str | None:
    """Return what lies under a key that is another record's, and what to do; None where it is its.

    A copy says nothing that counts, old or new: by its content it is a try of another export.
    """
    if record.key == key:
        return None
    return f"a copy of {record.key}: put its former version back; where it has none, remove it"


def record_at(key: str, body: bytes) -> LedgerRecord:
    """Read the record that lies under a key.

    Raises:
        ContractError: It breaks its contract, or is another one's.
    """
    record = parse(LedgerRecord, body)
    if (copy := copied(key, record)) is not None:
        raise ContractError("LedgerRecord", [f"it is {copy}"])
    return record
