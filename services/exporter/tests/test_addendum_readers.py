"""A date with an addendum has each event once, whoever reads it, and a late one as any other.

Readers by prefix are DuckDB with the documents' macro and Athena by the model of its tests;
`search` and `fetch` go by statements, whose objects are those of the manifest.
"""

import gzip
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from contracts.tests.retrieving import searched
from contracts.tests.sealed_archive import Archive
from examples.athena.tests.test_lines import rows
from examples.athena.tests.test_tables import LOG_LINES, filled
from services.exporter.tests.test_addendum import (
    FROM,
    KNOWN,
    LATE,
    LOG_GROUP,
    SECOND,
    TO,
    add,
    ask,
    exported,
    put,
    recorded,
)

from exporter.direct import Event
from logferry.checkout import ROOT
from logferry_contracts.archive import events_of_object
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.log_group import log_group_folder
from logferry_contracts.statement import ARCHIVED
from logferry_contracts.window import Window

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud

MACRO = (ROOT / "examples/duckdb/events.sql").read_text()
MORE = [
    Event("web/1", FROM, "first"),  # the same event once more
    Event("web/1", FROM + 9, "Traceback:\n  File x\n"),
    Event("agent", FROM + 9, ""),
    Event("web-1", FROM + 9, "in the folder of web/1"),
]
ALL = [*KNOWN, *LATE, *MORE]


@pytest.fixture
def wanted(request_for: Any) -> ExportRequestedData:
    made: ExportRequestedData = request_for(lane="direct")
    return made


@pytest.fixture
def archived(cloud: "Cloud", wanted: ExportRequestedData) -> dict[str, bytes]:
    """The objects of an export with two addenda, by their keys: as the bucket has them."""
    exported(cloud, wanted)
    put(cloud, *LATE)
    add(cloud, wanted)
    put(cloud, *MORE)
    ask(cloud, wanted, SECOND, ["agent", "web-1", "web/1"])
    cloud.run()
    bodies = {each.version_id: each.body for each in cloud.archive}
    objects = recorded(cloud, wanted).objects or []
    assert len({each.key.split("/")[-3] for each in objects}) == 3
    in_bucket = {each.key for each in cloud.archive}
    assert in_bucket == {each.key for each in objects}  # nothing lies beside them
    return {each.key: bodies[each.version_id] for each in objects}


def expected(*, stream: bool = True) -> Counter[Any]:
    """How often each event is there: when, what, and in which stream."""
    return Counter(
        (
            each.timestamp_ms,
            each.message.rstrip("\n"),
            *([each.stream_name.replace("/", "-")] if stream else []),
        )
        for each in ALL
    )


def test_duckdb_reads_each_event_once(archived: dict[str, bytes], tmp_path: Path) -> None:
    for key, body in archived.items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(body)
    with duckdb.connect() as database:
        database.execute(MACRO)
        asked = "SELECT epoch_ms(at_utc), rtrim(message, chr(10)), stream FROM log_events(?)"
        found = database.execute(asked, [f"{tmp_path}/**/*.gz"]).fetchall()
    assert Counter(found) == expected()


def test_the_package_reads_each_event_once(archived: dict[str, bytes]) -> None:
    found = Counter(
        (each.at_ms, each.message.rstrip("\n"), each.stream)
        for key, body in archived.items()
        for each in events_of_object(key, io.BytesIO(body))
    )
    assert found == expected()


def test_athena_has_each_line_once_in_the_folder_of_its_day(
    archived: dict[str, bytes], wanted: ExportRequestedData
) -> None:
    parts = {
        "ArchiveBucketName": wanted.destination.bucket,
        "Profile": wanted.source.profile,
        "LogGroup": log_group_folder(LOG_GROUP),
        "!day": wanted.destination.prefix.removesuffix("/00")[-10:],
    }
    folder = filled(LOG_LINES["Parameters"]["storage.location.template"], parts)
    assert all(f"s3://{wanted.destination.bucket}/{key}".startswith(folder) for key in archived)
    found = [row for body in archived.values() for row in rows(gzip.decompress(body).decode())]
    begun = [at for at, _ in found if at is not None]
    assert len(begun) == len(ALL)
    said = Counter[str | None](
        line for each in ALL for line in f"{each.message}\n".split("\n")[:-1]
    )
    assert Counter(line for _, line in found) - said == Counter()


def test_search_and_fetch_find_each_event_once(archived: dict[str, bytes]) -> None:
    """A statement says which objects there are: those of the addenda as well as the export's."""
    window, sealed = Window(from_ms=FROM, to_ms=TO), Archive()
    export = sealed.export("/app/a", window)
    objects = [
        sealed.stated(key, sealed.bucket.put(key, body), window, body)
        for key, body in sorted(archived.items())
    ]
    made = sealed.statement("/app/a", window, ARCHIVED, exports=[export], objects=objects)
    sealed.day([made], window)
    found, report = searched(sealed, "")
    assert Counter((each.event.at_ms, each.event.message.rstrip("\n")) for each in found) == (
        expected(stream=False)
    )
    assert report.objects == len(archived)
