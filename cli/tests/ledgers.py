"""A hub's ledger on moto, and records that are made from the contract's examples."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from logferry.config import Config
from logferry_contracts.export import export_id
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import parse

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples" / "ledger-record"


@contextmanager
def hub_on_moto(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """Yield a session of the hub's account, with an empty ledger."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", config.region)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", config.hub_account_id)
    with mock_aws():
        session = boto3.Session(region_name=config.region)
        session.client("s3").create_bucket(
            Bucket=config.control_bucket,
            CreateBucketConfiguration={"LocationConstraint": config.region},  # type: ignore[typeddict-item]
        )
        yield session


def record_like(
    example: str,
    source: SourceName,
    group: str,
    window: Window,
    /,
    *,
    generation: int = 1,
    **changes: Any,
) -> LedgerRecord:
    """Return a record that is as one of the contract's examples, but of this export."""
    [path] = EXAMPLES.glob(f"*/accept/{example}.json")
    record = json.loads(path.read_text())
    record |= {
        "source": source.model_dump(),
        "window": window.model_dump(),
        "generation": generation,
        "export_id": export_id(source, group, window, generation),
    }
    record["log_group"]["name"] = group
    return parse(LedgerRecord, json.dumps(record | changes))


def backfill_of(source: SourceName) -> str:
    """Return what is noted of a backfill of two dates that somebody has begun."""
    role_arn = f"arn:aws:iam::{source.account_id}:role/x"
    request = {
        "source": source.model_dump() | {"role_arn": role_arn},
        "bucket": "acme-log-archive",
        "window_rule": {"unit": "day", "time_zone": "UTC"},
        "collect_from": "2026-10-01",
        "collect_to": "2026-10-02",
    }
    return json.dumps(
        {
            "id": "0" * 32,
            "request": request,
            "wanted": "run",
            "by": "me",
            "at": "2026-11-23T06:00:00.000Z",
            "forecast": {"exports": 1, "estimated_bytes": 1, "slot_s": 1, "direct_s": 1},
        }
    )
