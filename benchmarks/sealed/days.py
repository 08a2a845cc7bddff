"""Sealed dates of one source, with objects as CloudWatch Logs writes them.

A line is an access log's, with an id that is never seen twice; every hundredth has a traceback
of 18 lines after it. All dates have the objects of the first one under other keys, as links: as
many bytes are read again, and none generated.
"""

import gzip
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from contracts.tests.sealed_archive import HOUR_MS, Archive, SealingKey

from benchmarks.sealed.folder import Folder
from logferry_contracts.log_line import stamp
from logferry_contracts.measure import Measured, measure
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.statement import ARCHIVED, StatedObject, Statement
from logferry_contracts.window import Window

LOG_GROUPS = 8
_MS_BETWEEN = 20
_STATUS = (200, 200, 200, 404, 500)
_TRACED = 0.01
_TRACE = "Traceback (most recent call last):\n" + "".join(
    f'  File "/srv/shop/orders/handler_{n}.py", line {n * 37}, in dispatch\n' for n in range(17)
)


@dataclass(frozen=True)
class Days:
    """What was made.

    Attributes:
        key: The file with the public key.
        raw_bytes: Unpacked, of one date.
        stored_bytes: Of one date's objects.
        dates: As seals have them.
        objects: Of each date.
    """

    root: Path
    key: Path
    raw_bytes: int
    stored_bytes: int
    dates: list[str]
    objects: list[list[Path]]


def make(  # noqa: PLR0913  (how much of what)
    root: Path,
    dates: int,
    objects: int,
    object_bytes: int,
    windows: int = 1,
    *,
    are_short: bool = False,
) -> Days:
    """Write so many objects of about so many bytes, unpacked, and seal them for each date.

    A date is cut into so many windows, which have as many of the objects each. Short lines say
    nothing of the thread and the class that have logged them: 125 bytes, and not 173.
    """
    archive = Archive(Folder(root), SealingKey())
    first = archive.window()
    parts = _parts(first, windows)
    files = [root.with_name(f"{root.name}-{n}.gz") for n in range(objects)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        of = [parts[n // LOG_GROUPS % windows] for n in range(objects)]
        write = partial(_write, size_bytes=object_bytes, are_short=are_short)
        made = list(processes.map(write, files, range(objects), of))
    measured = [found for _, found in made]
    sealed = [_seal(archive, root, files, measured, parts) for _ in range(dates)]
    key = root.with_suffix(".pem")
    key.write_text(archive.key.pem)
    return Days(
        root=root,
        key=key,
        raw_bytes=sum(raw_bytes for raw_bytes, _ in made),
        stored_bytes=sum(found.size_bytes for found in measured),
        dates=[name for name, _ in sealed],
        objects=[paths for _, paths in sealed],
    )


def _parts(window: Window, number: int) -> list[Window]:
    """Cut a window into so many of the same length."""
    length_ms = (window.to_ms - window.from_ms) // number
    begins = (window.from_ms + n * length_ms for n in range(number))
    return [Window(from_ms=at_ms, to_ms=at_ms + length_ms) for at_ms in begins]


def _write(
    file: Path, number: int, window: Window, *, size_bytes: int, are_short: bool
) -> tuple[int, Measured]:
    """Write an object; return how long its text is, and what it is."""
    text = "".join(_lines(number, size_bytes, window.from_ms, are_short=are_short)).encode()
    file.write_bytes(gzip.compress(text, 6, mtime=0))
    return len(text), measure(lambda: file.open("rb"), window)


def _lines(number: int, size_bytes: int, from_ms: int, *, are_short: bool) -> Iterator[str]:
    drawn = random.Random(number)  # noqa: S311  (no secret)
    at_ms, written = from_ms, 0
    while written < size_bytes:
        at_ms += drawn.randrange(2 * _MS_BETWEEN)
        id_ = drawn.randbytes(16).hex()
        by = "" if are_short else f"[http-nio-8080-exec-{id_[0]}] c.e.shop.OrderController "
        line = (
            f"{stamp(at_ms).decode()} INFO {by}"
            f"requestId={id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]} "
            f"GET /api/v2/orders/{drawn.randrange(100_000)} "
            f"status={drawn.choice(_STATUS)} took={drawn.randrange(2000)}ms\n"
        )
        line += _TRACE if drawn.random() < _TRACED else ""
        written += len(line)
        yield line


def _seal(
    archive: Archive,
    root: Path,
    files: Sequence[Path],
    measured: Sequence[Measured],
    first: Sequence[Window],
) -> tuple[str, list[Path]]:
    """Seal a date with these objects; return its name, and where they are.

    Args:
        archive: With the dates before.
        root: Its folder.
        files: Objects.
        measured: What each of them is.
        first: The windows of the first date, for which they were made.
    """
    date = archive.window()
    paths: list[Path] = []
    statements: list[Statement] = []
    for number, window in enumerate(_parts(date, len(first))):
        for group in range(LOG_GROUPS):
            name = f"/aws/lambda/service-{group}"
            export = archive.export(name, window)
            objects = []
            step = LOG_GROUPS * len(first)
            for file, found in list(zip(files, measured, strict=True))[
                group + number * LOG_GROUPS :: step
            ]:
                key = f"{export.folders[0]}{file.stem}/000000.gz"
                paths.append(root / key)
                paths[-1].parent.mkdir(parents=True, exist_ok=True)
                paths[-1].hardlink_to(file)
                is_first = window == first[number]
                outside = found.events_outside_window if is_first else found.events
                objects.append(_stated(key, replace(found, events_outside_window=outside)))
            statements.append(
                archive.statement(
                    name, window, ARCHIVED, exports=[export], objects=objects, leftovers=[]
                )
            )
    archive.day(statements, date)
    return f"{from_epoch_ms(date.from_ms + HOUR_MS):%Y-%m-%d}", paths


def _stated(key: str, found: Measured) -> StatedObject:
    names = set(StatedObject.model_fields) - {"key", "version_id", "etag", "checksum"}
    return StatedObject(key=key, version_id="v1", **{name: getattr(found, name) for name in names})
