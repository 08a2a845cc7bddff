"""What is put together once: the service."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logferry_deliveries.queues import DeadLetters, Topic
from sealer.aws.archive import Archive
from sealer.aws.ledger import Ledger
from sealer.aws.messages import TurnQueue
from sealer.aws.notes import Notes
from sealer.aws.seals import Seals
from sealer.aws.signing import SigningKeys
from sealer.links import Links
from sealer.measuring import Measuring
from sealer.sealing import Sealing
from sealer.settings import Settings
from sealer.stating import Stating
from sealer.stock import Stock


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that messages are dealt with by."""

    settings: Settings
    ledger: Ledger
    stating: Stating
    links: Links
    sealing: Sealing
    queue: TurnQueue
    dead_letters: DeadLetters


def wire(
    settings: Settings, client: Callable[[str], Any], salt: Callable[[], str], scratch: Path
) -> Service:
    """Put the service together.

    Args:
        settings: The function's.
        client: Makes the client of an AWS service.
        salt: Returns 16 random bytes in hexadecimal.
        scratch: A folder for files that an invocation needs.
    """
    s3, sqs = client("s3"), client("sqs")
    has_recounts = bool(settings.recount_within)
    ledger = Ledger(s3, settings.control_bucket, has_recounts=has_recounts)
    notes = Notes(s3, settings.control_bucket)
    seals = Seals(s3, settings.archive_bucket)
    links = Links(
        seals=seals,
        keys=SigningKeys(client("kms")),
        topic=Topic(client("sns"), settings.topic_arn),
        notes=notes,
        key_arn=settings.signing_key_arn,
        look_back=settings.look_back,
    )
    measuring = Measuring(archive=Archive(s3, settings.archive_bucket), ledger=ledger, notes=notes)
    stating = Stating(
        ledger=ledger,
        seals=seals,
        measuring=measuring,
        salt=salt,
        recount_within=settings.recount_within,
    )
    return Service(
        settings=settings,
        ledger=ledger,
        stating=stating,
        links=links,
        sealing=Sealing(
            ledger=ledger,
            seals=seals,
            notes=notes,
            links=links,
            stock=Stock(ledger=ledger, stating=stating),
            time_zone=settings.time_zone,
            seal_after=settings.seal_after,
            open_after=settings.settle + settings.open_after,
            scratch=scratch,
            salt=salt,
        ),
        queue=TurnQueue(sqs, settings.queue_url),
        dead_letters=DeadLetters(sqs, settings.dead_letter_queue_url, "sealer"),
    )
