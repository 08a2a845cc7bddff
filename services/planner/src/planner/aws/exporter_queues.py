"""The queues of exporters that the planner makes."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.aws.calls import calling
from planner.errors import ChangingError
from planner.provisioning import described_queue, differing, in_words

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

type Changed = Callable[[str, str, str], None]
"""Takes note of a change: of which kind of resource, of which name, and what was changed."""


@dataclass(frozen=True)
class MadeQueue:
    """A queue that is as it should be."""

    name: str
    url: str
    arn: str


class MadeQueues:
    """SQS, as far as queues are made and mended."""

    def __init__(self, sqs: "SQSClient", changed: Changed) -> None:
        """Use ``sqs`` for every call, and tell ``changed`` of each change."""
        self._sqs = sqs
        self._changed = changed

    def tags(self, name: str) -> Mapping[str, str] | None:
        """Return a queue's tags; None when there is no such queue."""
        url = self._url(name)
        return None if url is None else self._tags(name, url)

    def ensure(
        self, resource: str, name: str, attributes: Mapping[Any, str], tags: Mapping[str, str]
    ) -> MadeQueue:
        """Return a queue that has these attributes and tags, among others.

        Raises:
            ChangingError: It is not there yet.
        """
        url = self._url(name)
        found = None if url is None else self._attributes(name, url)
        if url is None or found is None:
            self._create(resource, name, {"FifoQueue": "true", **attributes}, tags)
            raise ChangingError(f"{name} is there after a second")
        if differing(tags, self._tags(name, url) or {}):
            with calling("TagQueue", name):
                self._sqs.tag_queue(QueueUrl=url, Tags=tags)  # made up to 0.2.0
        actual = described_queue(found)
        changed = differing(attributes, actual)
        if changed:
            with calling("SetQueueAttributes", name):
                self._sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
            self._changed(resource, name, in_words(changed, actual))
        return MadeQueue(name, url, actual["QueueArn"])

    def _create(
        self, resource: str, name: str, attributes: Mapping[Any, str], tags: Mapping[str, str]
    ) -> None:
        known = self._sqs.exceptions
        with (
            calling("CreateQueue", name),
            suppress(known.QueueNameExists, known.QueueDeletedRecently),
        ):
            self._sqs.create_queue(QueueName=name, Attributes=attributes, tags=tags)
            self._changed(resource, name, "created")

    def _url(self, name: str) -> str | None:
        with calling("GetQueueUrl", name):
            try:
                return self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
            except self._sqs.exceptions.QueueDoesNotExist:
                return None

    def _attributes(self, name: str, url: str) -> Mapping[Any, str] | None:
        with calling("GetQueueAttributes", name):
            try:
                found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            except self._sqs.exceptions.QueueDoesNotExist:
                return None
        return found["Attributes"]

    def _tags(self, name: str, url: str) -> Mapping[str, str] | None:
        with calling("ListQueueTags", name):
            try:
                return self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
            except self._sqs.exceptions.QueueDoesNotExist:
                return None
