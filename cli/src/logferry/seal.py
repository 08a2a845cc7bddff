"""Seals that are asked of the deployed sealer, such as of the time before there were any."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import SealError
from logferry.given import dates_given
from logferry.plan import REQUESTER
from logferry_contracts.chain import ChainName
from logferry_contracts.seal_request import SealRequest, SealRequestData
from logferry_contracts.wire import emit
from logferry_ledger.ledger import CLIENT_CONFIG

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What is asked of a hub's sealer.

    Attributes:
        queue_name: The sealer's.
    """

    queue_name: str
    request: SealRequest

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        data = self.request.data
        return {
            "queue": self.queue_name,
            "chain": str(data.chain),
            "seal_from": data.seal_from,
            "seal_to": data.seal_to,
            "id": self.request.id,
        }

    def told(self, *, dry_run: bool) -> str:
        """Return it for people.

        Args:
            dry_run: Whether it is only what would be asked.
        """
        data = self.request.data
        what = "what is due"
        if data.seal_from is not None:
            until = "up to its first seal" if data.seal_to is None else f"to {data.seal_to}"
            what = f"{data.seal_from} {until}"
        verb = "would be asked" if dry_run else "was asked"
        return f"{self.queue_name} {verb} to seal {what} of {data.chain}"


def asking(
    config: Config,
    source: SourceConfig,
    *,
    first: str | None,
    last: str | None,
    now: datetime,
) -> Asking:
    """Return what is asked of a source's dates.

    Args:
        config: What is deployed.
        source: Of the configuration.
        first: The first date to seal although it is of the time before the first seal; None for
            what is due.
        last: The last of them, inclusive; None goes up to the first seal.
        now: Aware.

    Raises:
        ConfigError: A date is none, or the last one is before the first or without it.
    """
    since, until = (None if day is None else str(day) for day in dates_given(first, last))
    chain = ChainName.of(config.source_name(source))
    data = SealRequestData(chain=chain, seal_from=since, seal_to=until)
    request = SealRequest.of(data, id=uuid.uuid4().hex, source=REQUESTER, time=now)
    return Asking(queue_name=f"{config.name}-sealer", request=request)


def ask(session: "boto3.Session", config: Config, asked: Asking) -> None:
    """Send it to the sealer, whose DaySealed will say what became of it.

    Raises:
        SealError: It is not deployed, or AWS refused.
    """
    try:
        sqs = session.client("sqs", region_name=config.region, config=CLIENT_CONFIG)
        url = sqs.get_queue_url(QueueName=asked.queue_name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=emit(asked.request))
    except AWS_ERRORS as error:
        raise SealError(f"{asked.queue_name}: {error}") from error
