"""What later looks at an export's window have found, and what became of its late events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from logferry_contracts.late_events import AskedFor, NotAdded
from logferry_contracts.ledger_key import (
    asked_key,
    beside_recounts,
    days_of_looks,
    late_key,
    looks_prefix,
    not_added_key,
    recount_key,
    split_key,
    window_of,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.recount import Recount, Recounted
from logferry_contracts.wire import ContractError, parse

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from logferry_contracts.source import SourceName
    from logferry_contracts.window import Window

_COPY = "services/recounter/README.md, Where they differ"
_WHY = {
    "log_group_class": "nobody may read events of its class",
    "size": "the window is too large, and the log streams are too many to be named",
    "add_mb_per_day": "the window is larger than recount.add_mb_per_day, which lets it be added",
    "expired": "CloudWatch has deleted some of the window",
}
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class LateEvents:
    """Events that came in after the export, as a look has seen.

    Attributes:
        streams: The log streams that have some, with those in the same folder of the archive; None
            where they are too many to be named.
        became: What became of them, in words.
    """

    streams: list[str] | None
    became: str

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {"streams": self.streams, "became": self.became}

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        if self.streams is None:
            yield "late events in more log streams than are named"
        else:
            more = len(self.streams) - _SHOWN
            named = ", ".join(self.streams[:_SHOWN])
            yield f"late events in {named}" + (f" and {more:,} more" if more > 0 else "")
        yield self.became


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look has said of an export.

    Attributes:
        days: After the window's end.
        late: None where it has seen no late events.
    """

    days: int
    said: Recounted
    late: LateEvents | None


class Looks:
    """What later looks at the windows of one source have said."""

    def __init__(self, s3: "S3Client", bucket: str, source: "SourceName") -> None:
        """Read in the control bucket."""
        self._s3 = s3
        self._bucket = bucket
        self._source = source

    def first(self, key: str) -> Recounted | None:
        """Return what counts of an export by now; None where nobody has counted it.

        Args:
            key: Of its record.
        """
        window, export_id = _of(key)
        found = self._recount(recount_key(self._source, window, export_id))
        return None if found is None else found.recount

    def later(self, key: str, record: LedgerRecord | None) -> list[Look]:
        """Return what later looks have said of an export, the first one first.

        Args:
            key: Of its record.
            record: As it is now; None where that is damaged or gone.
        """
        window, export_id = _of(key)
        listed = self._s3.list_objects_v2(
            Bucket=self._bucket, Prefix=beside_recounts(self._source, window), Delimiter="/"
        )
        days = days_of_looks(each["Prefix"] for each in listed.get("CommonPrefixes", []))
        if not days:
            return []
        noted = self._recount(late_key(self._source, window, export_id))
        looks = []
        for each in days:
            found = self._recount(f"{looks_prefix(self._source, window, each)}{export_id}.json")
            if found is None:
                continue
            is_late = noted is not None and noted.recount.at == found.recount.at
            late = self._late(found, record) if found.late_streams or is_late else None
            looks.append(Look(days=each, said=found.recount, late=late))
        return looks

    def _late(self, found: Recount, record: LedgerRecord | None) -> LateEvents:
        at = found.recount.at
        addenda = [] if record is None else record.addenda or []
        added = [each for each in addenda if each.recounted_at >= at]
        became = self._added(found, [each.at for each in added]) or "not asked for yet"
        return LateEvents(streams=found.late_streams, became=became)

    def _added(self, found: Recount, added: Sequence[str]) -> str | None:
        if added:
            return f"what was missing was added: {_time(added[0])}"
        of = found.window, found.export_id, found.recount.at
        try:
            text = self._text(not_added_key(self._source, *of))
            if text is not None:
                why = NotAdded.model_validate_json(text).why
                return f"nobody can add them: {_WHY.get(why, why)} ({_COPY})"
            text = self._text(asked_key(self._source, *of))
            if text is not None:
                asked = AskedFor.model_validate_json(text)
                return (
                    f"the exporter was asked to add them, the last time {_time(asked.at)} "
                    f"({asked.times} of 3); its log says why nothing was"
                )
        except ValidationError:
            return "what became of them is noted, and damaged"
        return None

    def _recount(self, key: str) -> Recount | None:
        try:
            text = self._text(key)
            return None if text is None else parse(Recount, text)
        except ContractError:
            return None

    def _text(self, key: str) -> bytes | None:
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None


def _of(key: str) -> tuple["Window", str]:
    prefix, export_id = split_key(key)
    return window_of(prefix), export_id


def _time(at: str) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S}"
