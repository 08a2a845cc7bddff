"""Moments in which AWS answers with 503, met by botocore's own code that tries again."""

import random
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from types import SimpleNamespace
from typing import Any, Self
from unittest import mock

import botocore.endpoint
import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from benchmarks.simulation.clock import Clock

SERVICE_UNAVAILABLE = 503
PLAIN_CALLS: Mapping[str, tuple[str, bytes]] = {
    "logs": ("describe_export_tasks", b"{}"),
    "s3": ("list_buckets", b"<ListAllMyBucketsResult/>"),
    "sns": ("list_topics", b"<ListTopicsResponse><ListTopicsResult/></ListTopicsResponse>"),
    "sqs": ("list_queues", b"{}"),
}
"""A call of each service that needs no parameter, and its answer: all are tried again alike."""


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """When AWS answers with an error, and what asks it again.

    Attributes:
        outage_s: How long each outage is.
        every_s: How often one begins, on average.
        config: The clients'.
        others: Operations that have a client of another configuration.
        seed: Of the moments and of botocore's waits.
    """

    outage_s: float
    every_s: float
    config: Config
    others: Mapping[str, Config]
    seed: int = 0

    def is_out(self, at_s: float) -> bool:
        """Return whether AWS answers with 503 now: once in every period, at a random moment."""
        period = int(at_s / self.every_s)
        rng = random.Random(f"{self.seed}/{period}")  # noqa: S311  (reproducible, and no secret)
        began_s = (period + rng.random()) * self.every_s
        return began_s <= at_s < began_s + self.outage_s


class Outages:
    """A context in which botocore waits by the simulated clock."""

    def __init__(self, pattern: Pattern | None, clock: Clock, call_s: float) -> None:
        """Let each try that fails take ``call_s``; without a pattern, none does."""
        self._pattern = pattern
        self._clock = clock
        self._call_s = call_s
        self._clients: dict[tuple[str, Config], Any] = {}
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        """Let botocore wait by the clock, and by the pattern's dice."""
        if self._pattern is not None:
            waits = SimpleNamespace(sleep=self._clock.let_pass)
            self._patches.enter_context(mock.patch.object(botocore.endpoint, "time", waits))
            dice = random.Random(self._pattern.seed)  # noqa: S311  (the same)
            self._patches.enter_context(mock.patch("random.random", dice.random))
        return self

    def __exit__(self, *_: object) -> None:
        """Let botocore wait as it does."""
        self._patches.close()

    def wait_out(self, operation: str) -> None:
        """Return when AWS answers.

        Raises:
            ClientError: botocore has given up.
        """
        if self._pattern is None:
            return
        service, _, _ = operation.partition(".")
        method, _ = PLAIN_CALLS[service]
        config = self._pattern.others.get(operation, self._pattern.config)
        getattr(self._client(service, config), method)()

    def _client(self, service: str, config: Config) -> Any:
        if (service, config) not in self._clients:
            made: Any = self._session.create_client(
                service,
                region_name="eu-west-1",
                config=config.merge(Config(signature_version=UNSIGNED)),
            )
            made.meta.events.register("before-send", partial(self._answer, service))
            self._clients[service, config] = made
        return self._clients[service, config]

    @cached_property
    def _session(self) -> botocore.session.Session:
        return botocore.session.get_session()

    def _answer(self, service: str, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Answer in AWS's place; the time of a call that goes well is counted elsewhere."""
        assert self._pattern is not None  # noqa: S101  (no client is made without)
        if self._pattern.is_out(self._clock.now_s):
            self._clock.let_pass(self._call_s)
            return answer(request.url, SERVICE_UNAVAILABLE)
        return answer(request.url, 200, PLAIN_CALLS[service][1])


def answer(url: str, status: int, body: bytes = b"") -> AWSResponse:
    """Return what botocore gets from its HTTP client."""
    raw = SimpleNamespace(stream=lambda: iter([body]), read=BytesIO(body).read)
    return AWSResponse(url, status, HTTPHeaders(), raw)
