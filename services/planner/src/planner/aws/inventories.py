"""What log groups there are, as plans have listed them: in the control bucket, for the seal."""

from pathlib import Path
from typing import TYPE_CHECKING

from logferry_contracts.ledger_key import inventories_from, inventories_prefix, inventory_key
from logferry_contracts.source import SourceName
from planner.aws.control import ControlBucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Inventories:
    """The inventories of all plans, in the control bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Use the control bucket ``bucket``."""
        self._control = ControlBucket(s3, bucket)

    def is_there(self, source: SourceName, plan_id: str, *, since_ms: int) -> bool:
        """Return whether a plan has one that it began to list at that time or later."""
        known = inventory_key(source, 0, plan_id).removeprefix(inventories_from(source, 0))
        pages = self._control.pages(
            inventories_prefix(source), StartAfter=inventories_from(source, since_ms)
        )
        return any(
            entry["Key"].endswith(known) for page in pages for entry in page.get("Contents", [])
        )

    def put(self, path: Path, source: SourceName, plan_id: str, *, planned_at_ms: int) -> None:
        """Keep a file as the inventory of a plan."""
        with path.open("rb") as body:
            self._control.put(inventory_key(source, planned_at_ms, plan_id), body)
