"""S3's restores from GLACIER and DEEP_ARCHIVE as they go on AWS, where they take hours.

LocalStack has a copy there at once, by any tier, and again however often it is asked.

From documentation (https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html): the first request is
answered 202; while it is under way HEAD says so, GET is refused and another request is a conflict;
then a copy can be read until a midnight in UTC, the given days and the rest of a day later, and a
further request moves that by 200. A tier is Expedited, Standard or Bulk, and DEEP_ARCHIVE knows no
Expedited (https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html).

`POST /_devstack/restores` ends what is under way in the buckets of all accounts, or of
`?account=111122223333` only: here it takes until then.

Unverified, chosen here: the code and message for a tier that a class does not have, and for no day.

Not modelled: capacity for Expedited, SELECT, Intelligent-Tiering, copies of what is being restored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime
from functools import wraps
from typing import Any

from localstack_addons.refusals import Refusal, refusing

ROUTE = "/_devstack/restores"
_TIERS = {
    "GLACIER": ("Expedited", "Standard", "Bulk"),
    "DEEP_ARCHIVE": ("Standard", "Bulk"),
}


@dataclass
class Restore:
    """A copy that was asked for."""

    days: int
    asked_at: datetime
    is_ongoing: bool = True

    @property
    def until(self) -> datetime:
        """When the copy goes: at a midnight."""
        later = self.asked_at + timedelta(days=self.days)
        midnight = datetime.combine(later.date(), time(), UTC)
        return midnight if later == midnight else midnight + timedelta(days=1)

    def header(self, now: datetime) -> str | None:
        """Return what HEAD says of it; None once it is gone."""
        if self.is_ongoing:
            return 'ongoing-request="true"'
        if now >= self.until:
            return None
        return f'ongoing-request="false", expiry-date="{format_datetime(self.until, usegmt=True)}"'


def check(storage_class: str, days: int | None, tier: str | None, header: str | None) -> None:
    """Refuse a request that S3 does not take.

    Args:
        storage_class: One of the two that are restored from.
        days: How long a copy is wanted.
        tier: None for Standard.
        header: What HEAD says of the object.

    Raises:
        Refusal: RestoreAlreadyInProgress, or InvalidArgument.
    """
    if header is not None and 'ongoing-request="true"' in header:
        raise Refusal("RestoreAlreadyInProgress", "Object restore is already in progress", 409)
    if tier is not None and tier not in _TIERS[storage_class]:
        raise Refusal("InvalidArgument", f"{tier} is not a retrieval option of {storage_class}")
    if days is None or days < 1:
        raise Refusal("InvalidArgument", "Days must be at least 1")


_restores: list[tuple[str, Restore]] = []
"""Those under way, with the account of the bucket."""


def install() -> None:
    """Let restores take until somebody ends them, and open the route for that."""
    from localstack.services.edge import ROUTER  # noqa: PLC0415
    from localstack.services.s3.models import S3Object  # noqa: PLC0415
    from localstack.services.s3.provider import S3Provider  # noqa: PLC0415

    def read(stored: Any) -> str | None:
        restore: Restore | None = stored.__dict__.get("restoring")
        return None if restore is None else restore.header(datetime.now(UTC))

    # What LocalStack writes there is that the copy is there.
    S3Object.restore = property(read, lambda stored, _: stored)
    S3Provider.restore_object = _restoring(S3Provider.restore_object)
    S3Provider.get_object = _refused_meanwhile(S3Provider.get_object)
    ROUTER.add(ROUTE, _end_route, methods=["POST"])


def _restoring(operation: Callable[..., Any]) -> Callable[..., Any]:
    @refusing
    @wraps(operation)
    def restore_object(provider: Any, context: Any, bucket: str, key: str, **rest: Any) -> Any:
        wanted: dict[str, Any] = rest.get("restore_request") or {}
        account, stored = _stored(provider, context, bucket, key, rest.get("version_id"))
        tier = (wanted.get("GlacierJobParameters") or wanted).get("Tier")
        if stored.storage_class in _TIERS:
            check(stored.storage_class, wanted.get("Days"), tier, stored.restore)
        answer = operation(provider, context, bucket, key, **rest)
        is_there = stored.restore is not None
        stored.restoring = Restore(wanted["Days"], datetime.now(UTC), is_ongoing=not is_there)
        if not is_there:
            _restores.append((account, stored.restoring))
        return answer

    return restore_object


def _refused_meanwhile(operation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(operation)
    def get_object(provider: Any, context: Any, request: Any, *args: Any, **rest: Any) -> Any:
        from localstack.aws.api.s3 import InvalidObjectState  # noqa: PLC0415

        _, stored = _stored(
            provider, context, request["Bucket"], request["Key"], request.get("VersionId")
        )
        if stored.restore == 'ongoing-request="true"':
            raise InvalidObjectState(
                "The operation is not valid for the object's storage class",
                StorageClass=stored.storage_class,
            )
        return operation(provider, context, request, *args, **rest)

    return get_object


def _stored(
    provider: Any, context: Any, bucket: str, key: str, version_id: str | None
) -> tuple[str, Any]:
    """Return whose the bucket is, and LocalStack's own object."""
    # Private, but how each of the provider's own operations begins.
    _, s3_bucket = provider._get_cross_account_bucket(context, bucket)  # noqa: SLF001
    stored = s3_bucket.get_object(key=key, version_id=version_id, http_method="GET")
    return s3_bucket.bucket_account_id, stored


def _end_route(request: Any) -> Any:
    from localstack.http import Response  # noqa: PLC0415

    account = request.args.get("account")
    ended = [each for each in _restores if account in {None, each[0]}]
    for each in ended:
        each[1].is_ongoing = False
        _restores.remove(each)
    return Response.for_json({"restores": len(ended)})
