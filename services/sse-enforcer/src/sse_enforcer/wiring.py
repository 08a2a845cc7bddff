"""What is put together once: the service, and what its sweep works with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from logferry_deliveries.queues import DeadLetters, Queue, Topic
from sse_enforcer.archive_key import KeyScheme
from sse_enforcer.aws.archive import Archive
from sse_enforcer.aws.control import ControlBucket
from sse_enforcer.aws.encryption import Encryption
from sse_enforcer.aws.holds import Holds
from sse_enforcer.aws.keys import KmsKeys
from sse_enforcer.aws.ledger_keys import LedgerKeys
from sse_enforcer.aws.removals import Removals
from sse_enforcer.aws.uploads import Uploads
from sse_enforcer.disposals import Disposals
from sse_enforcer.enforcer import Enforcer
from sse_enforcer.exports import Exports
from sse_enforcer.ledger_listing import LedgerListing
from sse_enforcer.multipart import CopyInParts
from sse_enforcer.settings import Settings
from sse_enforcer.sweep.aws import Listing, Reports
from sse_enforcer.sweep.pace import Pace
from sse_enforcer.sweep.slice import Wiring as SweepWiring


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that messages are dealt with by."""

    settings: Settings
    enforcer: Enforcer
    exports: Exports
    topic: Topic
    queue: Queue
    dead_letters: DeadLetters
    key: KmsKeys


def wire(settings: Settings, client: Callable[[str], Any]) -> Service:
    """Put the service together; ``client`` makes the client of an AWS service."""
    s3 = client("s3")
    archive = Archive(s3, settings.archive_bucket)
    control = ControlBucket(s3, settings.control_bucket)
    topic = Topic(client("sns"), settings.topic_arn)
    enforcer = Enforcer(
        archive=archive,
        encryption=Encryption(s3, settings.archive_bucket),
        in_parts=CopyInParts(
            archive, Uploads(s3, settings.archive_bucket), control, settings.copy_part_bytes
        ),
        holds=Holds(s3, settings.archive_bucket),
        removals=Removals(s3, settings.archive_bucket),
        control=control,
        disposals=Disposals(LedgerListing(LedgerKeys(s3, settings.control_bucket)), control),
        copy_limit_bytes=settings.copy_limit_bytes,
    )
    key = KmsKeys(
        client("ssm"),
        client("kms"),
        KeyScheme(
            parameter=settings.kms_key_parameter,
            account_id=settings.account_id,
            region=settings.region,
        ),
        settings.kms_key_ttl_seconds,
    )
    sqs = client("sqs")
    return Service(
        settings=settings,
        enforcer=enforcer,
        exports=Exports(
            enforcer=enforcer,
            control=control,
            topic=topic,
            key=key,
            archive_bucket=settings.archive_bucket,
        ),
        topic=topic,
        queue=Queue(sqs, settings.queue_url),
        dead_letters=DeadLetters(sqs, settings.dead_letter_queue_url, "sse-enforcer"),
        key=key,
    )


def wire_sweep(service: Service, s3: Any, pace: Pace) -> SweepWiring:
    """Put together what one invocation of a sweep works with."""
    settings = service.settings
    return SweepWiring(
        settings=settings,
        archive=Archive(s3, settings.archive_bucket),
        uploads=Uploads(s3, settings.archive_bucket),
        enforcer=service.enforcer,
        exports=service.exports,
        control=ControlBucket(s3, settings.control_bucket),
        topic=service.topic,
        keys=service.key,
        listing=Listing(s3, settings.archive_bucket, settings.control_bucket),
        reports=Reports(s3, settings.control_bucket),
        turn=pace.take,
    )
