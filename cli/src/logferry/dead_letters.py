"""Dead letters of all services: listed where they lie, and given back to whom they were for."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import RetryError
from logferry.given import matches
from logferry.stack import CLIENT_CONFIG
from logferry_contracts import json_text
from logferry_contracts.message_attributes import DEAD_LETTER_REASON
from logferry_contracts.source import SourceName

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_sqs import SQSClient
    from rich.console import RenderableType

PLANNER, EXPORTER = "planner", "exporter"
SERVICES = (EXPORTER, PLANNER, "sse-enforcer", "sealer")
"""Those that have a dead-letter queue; the recounter has none, as it comes by again by itself."""
HELD_S = 120
"""For how long nobody else gets a letter that is being looked at: it is shown again right after."""
WAITED_S = 1
"""An answer that is not waited for may have none though there are some."""
_AT_ONCE = 10
"""Messages of one call; of one FIFO message group SQS hands out no more until these are gone.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""
_SCHEDULERS_CODE = "ERROR_CODE"
"""The attribute in which EventBridge says why it could not deliver.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""
_NOT_TOLD = "given_up"
"""The reason of a letter that has none: SQS or SNS has tried it as often as it may."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A dead-letter queue.

    Attributes:
        service: Whose.
        name: The queue's.
        source: The one whose exporters put letters into it; None where it is the hub's.
    """

    service: str
    name: str
    source: SourceName | None = None


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A dead letter.

    Attributes:
        box: Where it lies.
        id: SQS's of the message.
        reason: Why, in the service's word, AWS's code, or ``given_up``.
        detail: Why, in words; may be empty.
        sent_at: When it was put there.
        profile: Of which source it is; empty where that is not known.
        about: What it is about: a log group, an object, or the type of its event.
    """

    box: Box
    id: str
    reason: str
    detail: str
    sent_at: datetime
    profile: str
    about: str
    body: str
    attributes: Mapping[str, Any]
    group: str

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "service": self.box.service,
            "queue": self.box.name,
            "message_id": self.id,
            "reason": self.reason,
            "detail": self.detail,
            "sent_at": self.sent_at.isoformat(),
            "profile": self.profile,
            "about": self.about,
        }


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which letters are wanted; a pattern of each kind has to match, where there are any."""

    services: Sequence[str] = ()
    profiles: Sequence[str] = ()
    reasons: Sequence[str] = ()
    log_groups: Sequence[str] = ()

    def has(self, letter: Letter) -> bool:
        """Whether a letter is one of them."""
        return (
            matches(letter.reason, self.reasons)
            and matches(letter.profile, self.profiles)
            and matches(letter.about, self.log_groups)
        )


def boxes(config: Config, sources: Sequence[SourceConfig], chosen: Chosen) -> list[Box]:
    """Return the dead-letter queues in which what is wanted may lie."""
    wanted = chosen.services or SERVICES
    of_sources = [config.source_name(each) for each in sources] if EXPORTER in wanted else []
    return [
        *(Box(service=EXPORTER, name=s.dead_letter_queue_name, source=s) for s in of_sources),
        *(
            Box(service=each, name=f"{config.name}-{each}-dlq")
            for each in wanted
            if each != EXPORTER
        ),
    ]


@dataclass(frozen=True)
class Mail:
    """Looks into dead-letter queues, and gives letters back."""

    session: "boto3.Session"
    config: Config

    def find(self, box: Box, chosen: Chosen) -> tuple[list[Letter], int]:
        """Return the letters that are wanted, and how many others the queue has.

        Nothing is taken: all of them are there for everybody again when this returns. Of letters
        of one FIFO message group only the first ten are seen: those behind them count as others.

        Raises:
            RetryError: AWS refused; names what.
        """
        found: list[Letter] = []

        def note(letter: Letter) -> bool:
            if chosen.has(letter):
                found.append(letter)
            return False

        total = self._each(box, note)
        return found, max(0, total - len(found))

    def give_back(self, box: Box, chosen: Chosen, before: datetime) -> list[Letter]:
        """Give letters to whom they were for, and return those that were.

        Those as well that were behind others of their FIFO message group. A letter goes once it was
        given back, so that one that is interrupted is there twice at worst, which is what everybody
        here has to bear of SQS anyhow.

        Args:
            box: Where they lie.
            chosen: Which.
            before: When they were there already: what fails again at once is not tried for ever.

        Raises:
            RetryError: AWS refused; names what. Those that were not given back are still there.
        """
        given: list[Letter] = []

        def give(letter: Letter) -> bool:
            if letter.sent_at >= before or not chosen.has(letter):
                return False
            self._give(letter)
            given.append(letter)
            return True

        try:
            self._each(box, give)
        except RetryError as error:
            raise RetryError(f"{error}; {len(given):,} were given back before") from error
        return given

    @property
    def _sqs(self) -> "SQSClient":
        return self.session.client("sqs", region_name=self.config.region, config=CLIENT_CONFIG)

    def _each(self, box: Box, do: Callable[[Letter], bool]) -> int:
        """Do something with each letter, which is deleted where that says so.

        Returns:
            How many letters are left, those that SQS did not show among them.
        """
        sqs = self._sqs
        try:
            try:
                url = sqs.get_queue_url(QueueName=box.name)["QueueUrl"]
            except sqs.exceptions.QueueDoesNotExist:
                return 0
            if not _count(sqs, url):
                return 0
            kept = dict[str, str]()
            try:
                while new := _new(_received(sqs, url), kept):
                    kept |= {each["MessageId"]: each["ReceiptHandle"] for each in new}
                    for each in new:
                        if do(_letter(box, each)):
                            receipt = kept.pop(each["MessageId"])
                            sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt)
            finally:
                for receipt in kept.values():
                    sqs.change_message_visibility(
                        QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0
                    )
            return max(len(kept), _count(sqs, url))
        except AWS_ERRORS as error:
            raise RetryError(f"{box.name}: {error}") from error

    def _ask_planner(self, body: str) -> None:
        """Ask as its schedule does: nobody waits for what becomes of it."""
        functions = self.session.client(
            "lambda", region_name=self.config.region, config=CLIENT_CONFIG
        )
        name = f"{self.config.name}-planner"
        functions.invoke(FunctionName=name, InvocationType="Event", Payload=body.encode())

    def _give(self, letter: Letter) -> None:
        if letter.box.service == PLANNER:
            self._ask_planner(letter.body)
            return
        sqs = self._sqs
        more: dict[str, Any] = {}
        if letter.box.source is not None:
            # Its own id, not the first one's: what was sent within five minutes would be dropped.
            more = {"MessageGroupId": letter.group, "MessageDeduplicationId": letter.id}
        sqs.send_message(
            QueueUrl=sqs.get_queue_url(QueueName=_queue_of(letter))["QueueUrl"],
            MessageBody=letter.body,
            MessageAttributes=letter.attributes,
            **more,
        )


def table(found: Sequence[Letter]) -> "RenderableType":
    """Return letters as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("of", "source", "since (UTC)", "reason"):
        shown.add_column(name, no_wrap=True)
    shown.add_column("about, and why", overflow="fold")
    for each in found:
        why = "\n".join(filter(None, (each.about, each.detail)))
        since = f"{each.sent_at:%Y-%m-%d %H:%M}"
        shown.add_row(each.box.service, each.profile, since, each.reason, why)
    return shown


def _queue_of(letter: Letter) -> str:
    """Return the name of the queue that a letter has come from."""
    source = letter.box.source
    if source is None:
        return letter.box.name.removesuffix("-dlq")
    is_direct = letter.group == source.direct_slot
    return source.direct_queue_name if is_direct else source.queue_name


def _received(sqs: "SQSClient", url: str) -> Sequence[Any]:
    return sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=_AT_ONCE,
        WaitTimeSeconds=WAITED_S,
        VisibilityTimeout=HELD_S,
        MessageSystemAttributeNames=["SentTimestamp", "MessageGroupId"],
        MessageAttributeNames=["All"],
    ).get("Messages", [])


def _new(messages: Sequence[Any], kept: Mapping[str, str]) -> list[Any]:
    """Return those that come for the first time; after none all have been seen.

    One comes again once it was held for as long as that is.
    """
    return [each for each in messages if each["MessageId"] not in kept]


def _count(sqs: "SQSClient", url: str) -> int:
    said = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(map(int, said["Attributes"].values()))


def _letter(box: Box, message: Any) -> Letter:
    attributes = message.get("MessageAttributes", {})
    said = {name: each.get("StringValue", "") for name, each in attributes.items()}
    letter = Letter(
        box=box,
        id=message["MessageId"],
        reason=said.get(DEAD_LETTER_REASON) or said.get(_SCHEDULERS_CODE) or _NOT_TOLD,
        detail=said.get("detail") or said.get("ERROR_MESSAGE") or "",
        sent_at=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
        profile="" if box.source is None else box.source.profile,
        about="",
        body=message["Body"],
        attributes=attributes,
        group=message["Attributes"].get("MessageGroupId", ""),
    )
    try:
        document = json_text.read(letter.body)
    except ValueError:
        return letter
    return _of_event(letter, document) if isinstance(document, dict) else letter


def _of_event(letter: Letter, document: Mapping[str, Any]) -> Letter:
    """Return a letter with what its event says of itself."""
    context = document.get("requestContext")
    if isinstance(context, dict) and "requestPayload" in document:
        # An invocation that has failed as often as it may: Lambda's record of it has the request.
        # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        request = document["requestPayload"]
        answer = document.get("responsePayload")
        told = answer.get("errorMessage", "") if isinstance(answer, dict) else ""
        reason = str(context.get("condition", letter.reason))
        inner = replace(letter, reason=reason, detail=str(told), body=json.dumps(request))
        return _of_event(inner, request) if isinstance(request, dict) else inner
    data, detail = _dict(document.get("data")), _dict(document.get("detail"))
    group, key = data.get("log_group"), str(_dict(detail.get("object")).get("key", ""))
    name = _dict(group).get("name") or data.get("log_group_name") or key or document.get("type")
    profile = _dict(data.get("source")).get("profile") or key.partition("/")[0]
    return replace(letter, profile=letter.profile or str(profile), about=str(name or ""))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
