"""What a search asks of S3, with 5,000 windows in the ledger."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cli.tests.in_s3 import (
    SHOP,
    InS3,
    calls_counted,
    hub_on_localstack,
    in_utc,
    record_of,
    three_dates,
    use_localstack,
)
from contracts.tests.sealed_archive import DAY_MS, HOUR_MS, START_MS

from logferry.command import main
from logferry_contracts.export import export_id
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

pytestmark = pytest.mark.localstack

WINDOWS = 5000


@pytest.mark.deep
def test_an_hour_of_one_log_group_costs_three_calls_of_a_ledger_of_5000_windows(
    localstack: str,
    account: str,
    aws: Callable[..., Any],
    document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, s3 = tmp_path / "organization.yaml", aws("s3")
    config = hub_on_localstack(s3, account, document, path)
    archive = three_dates(InS3(s3, config.archive_bucket))
    fresh = START_MS + 3 * DAY_MS + 5 * HOUR_MS
    hour = Window(from_ms=fresh, to_ms=fresh + HOUR_MS)
    record = record_of(archive, config, hour)
    others = [
        Window(from_ms=fresh + n * HOUR_MS, to_ms=fresh + (n + 1) * HOUR_MS)
        for n in range(-WINDOWS // 2, WINDOWS // 2)
    ]
    records = {ledger_key(SHOP, w, export_id(SHOP, "/other", w, 1)): b"{}" for w in others}
    records[record.key] = emit(record).encode()

    def put(key: str) -> None:
        s3.put_object(Bucket=config.control_bucket, Key=key, Body=records[key])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, records))
    use_localstack(localstack, account, config, monkeypatch)
    calls = calls_counted(monkeypatch)

    def searched(from_ms: int) -> tuple[int, list[str], list[str]]:
        """Return how many events an hour has, and what was asked of archive and ledger."""
        calls.clear()
        time = ("--from", in_utc(from_ms), "--to", in_utc(from_ms + HOUR_MS))
        arguments = ("", str(path), "--profile", "shop", "--log-group", "/app/a", *time)
        with pytest.raises(SystemExit) as ended:
            main(["search", *arguments])
        assert ended.value.code == 0
        of = {
            bucket: [name for name, asked, _ in calls if asked == bucket]
            for bucket in (config.archive_bucket, config.control_bucket)
        }
        found = len(capsys.readouterr().out.splitlines())
        return found, of[config.archive_bucket], of[config.control_bucket]

    found, archived, ledger = searched(START_MS + DAY_MS + 5 * HOUR_MS)
    assert (found, set(archived), ledger) == (1, {"GetObject"}, [])
    found, archived, ledger = searched(fresh)
    assert (found, set(archived)) == (1, {"GetObject"})
    assert ledger == ["ListObjectsV2", "ListObjectsV2", "GetObject"]
