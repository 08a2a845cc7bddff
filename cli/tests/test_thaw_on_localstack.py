"""What is in DEEP_ARCHIVE: asked for, waited for, and then found."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.tests.conftest import Run
from cli.tests.in_s3 import InS3, hub_on_localstack, three_dates, use_localstack

from localstack_addons.s3.restores import ROUTE
from logferry.commands import thawing

pytestmark = pytest.mark.localstack

HOURS = ("--log-group", "/app/a", "--from", "2026-11-20T23:00Z", "--to", "2026-11-21T02:00Z")


class Cold:
    """An S3 client that puts what is archived into DEEP_ARCHIVE."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def put_object(self, *, Key: str, **what: Any) -> Any:  # noqa: N803  (boto3's)
        if not Key.startswith("!seals/"):
            what["StorageClass"] = "DEEP_ARCHIVE"
        return self._s3.put_object(Key=Key, **what)


def test_what_is_frozen_is_thawed_and_found(
    localstack: str,
    account: str,
    aws: Callable[..., Any],
    document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logferry: Run,
) -> None:
    document["archive"] = {"transition": {"storage_class": "DEEP_ARCHIVE", "after_days": 0}}
    path = tmp_path / "organization.yaml"
    config = hub_on_localstack(aws("s3"), account, document, path)
    use_localstack(localstack, account, config, monkeypatch)
    three_dates(InS3(Cold(aws("s3")), config.archive_bucket))

    of = (str(path), "--profile", "shop", *HOURS)
    code, _, err = logferry("search", "an hour", *of)
    assert code == 3
    assert "thaw first: " in err
    code, out, err = logferry("thaw", "--yes", "--no-wait", "--json", *of)
    assert (code, json.loads(out)["asked"]) == (3, 3)
    assert "3 objects, " in err
    code, out, err = logferry("search", "an hour", *of)
    assert (code, out) == (3, "")
    assert "being thawed: 3 objects" in err

    def end(_: float) -> None:
        route = f"{localstack}{ROUTE}?account={account}"
        with urllib.request.urlopen(route, data=b""):  # noqa: S310  (loopback)
            pass

    monkeypatch.setattr(thawing.time, "sleep", end)
    code, out, err = logferry("thaw", "--yes", "--json", *of)
    assert (code, json.loads(out)["asked"]) == (0, 0)
    assert "everything can be read" in err
    code, out, _ = logferry("search", "an hour", *of)
    assert (code, len(out.splitlines())) == (0, 3)
