"""A small company: three accounts with the log groups that such accounts have.

Everything follows from the window and a seed, so a run can be repeated, and what was put in is
known to the event.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from logferry_contracts.window import Window

DAY_MS = 86_400_000
OFFLINE_MS = DAY_MS // 8
LATE_EVENTS = 24


@dataclass(frozen=True)
class LogStream:
    """A log stream.

    Attributes:
        name: As in PutLogEvents.
        events: ``(timestamp in milliseconds, message)``, oldest first.
    """

    name: str
    events: list[tuple[int, str]]


@dataclass(frozen=True)
class LogGroup:
    """A log group.

    Attributes:
        created_ms: When it was created, milliseconds since 1970.
        retention_days: None keeps events for ever.
    """

    name: str
    created_ms: int
    streams: list[LogStream] = field(default_factory=list)
    log_group_class: str = "STANDARD"
    retention_days: int | None = None


@dataclass(frozen=True)
class Account:
    """A source account and its logs.

    Attributes:
        late: What an agent that was offline sends once its window was exported: log groups that
            are there, with these events alone.
    """

    profile: str
    account_id: str
    log_groups: list[LogGroup]
    late: list[LogGroup] = field(default_factory=list)

    def events(self) -> Iterator[tuple[str, str, int, str]]:
        """Yield ``(log group, stream, timestamp in milliseconds, message)`` of every event."""
        for log_group in [*self.log_groups, *self.late]:
            for stream in log_group.streams:
                for timestamp_ms, message in stream.events:
                    yield log_group.name, stream.name, timestamp_ms, message


type _Writer = Callable[[random.Random, int], str]


def _json_line(rng: random.Random, n: int) -> str:
    return json.dumps(
        {
            "level": rng.choice(["DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR"]),
            "message": rng.choice(["order placed", "cart updated", "payment captured", "retrying"]),
            "order_id": f"o-{rng.randrange(10**8):08d}",
            "amount": {"value": rng.randrange(1, 99_999) / 100, "currency": "EUR"},
            "customer": rng.choice(["Zoë", "Łukasz", "Σοφία", "美咲", "Ana"]),
            "sequence": n,
        },
        ensure_ascii=False,
    )


def _lambda_line(rng: random.Random, n: int) -> str:
    request_id = f"{rng.randrange(16**8):08x}-1b2c-4d5e-8f90-{rng.randrange(16**12):012x}"
    return (
        f"START RequestId: {request_id} Version: $LATEST\n",
        _json_line(rng, n),
        f"END RequestId: {request_id}\n",
        f"REPORT RequestId: {request_id}\tDuration: {rng.randrange(1, 900)}.42 ms\t\n",
    )[n % 4]


def _access_line(rng: random.Random, n: int) -> str:
    path = rng.choice(["/", "/cart", "/p/4711?ref=%C3%BC", "/checkout", "/static/app.js"])
    return (
        f"203.0.113.{rng.randrange(1, 255)} - - [{n}] "
        f'"GET {path} HTTP/1.1" {rng.choice([200, 200, 200, 304, 404, 502])} '
        f'{rng.randrange(120, 90_000)} "-" "Mozilla/5.0"'
    )


def _stack_trace(rng: random.Random, n: int) -> str:
    if n % 3:
        return f"INFO  [main] com.example.billing.Invoices - invoice {rng.randrange(10**6)} sent"
    return (
        "ERROR [main] com.example.billing.Invoices - cannot send\n"
        "java.net.SocketTimeoutException: Read timed out\n"
        "\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)\n"
        f"\tat com.example.billing.Mailer.send(Mailer.java:{rng.randrange(10, 400)})\n"
        "\n"
        "Caused by: nothing else"
    )


def _syslog_line(rng: random.Random, n: int) -> str:
    return (
        f"ip-10-0-1-{rng.randrange(255)} sshd[{n}]: Accepted publickey for ops port 50{n % 99:02d}"
    )


def _flow_line(rng: random.Random, n: int) -> str:
    return (
        f"2 444455556666 eni-0a{n % 7}f 10.0.{rng.randrange(9)}.5 10.0.3.7 443 "
        f"{rng.randrange(1024, 65535)} 6 10 {rng.randrange(99_999)} ACCEPT OK"
    )


class _Company:
    """Makes log groups for one window."""

    def __init__(self, window: Window, *, now_ms: int, events_per_stream: int) -> None:
        self._window = window
        self._now_ms = now_ms
        self._events_per_stream = events_per_stream
        self._founded_ms = window.from_ms - 400 * DAY_MS
        self._rng = random.Random(20_261_122)  # noqa: S311  # sample data, to be repeatable

    def log_group(
        self,
        name: str,
        writer: _Writer,
        *streams: str,
        log_group_class: str = "STANDARD",
        retention_days: int | None = None,
    ) -> LogGroup:
        """Make a log group whose streams have events in the window and around it."""
        return LogGroup(
            name,
            self._founded_ms,
            [LogStream(stream, self._events(writer)) for stream in streams],
            log_group_class,
            retention_days,
        )

    def created_after_the_window(self, name: str) -> LogGroup:
        """Make a log group that an agent created after the window, to send what it had of it."""
        end_ms = self._window.to_ms
        created_ms = max(end_ms + 1, self._now_ms - 60_000)
        events = [(end_ms - 2000, "starting"), (end_ms - 1, "listening"), (created_ms, "hello")]
        return LogGroup(name, created_ms, [LogStream("main", events)])

    def offline(self, name: str, writer: _Writer, stream: str) -> LogGroup:
        """Make what an agent has logged in the last hours of the window, and could not send."""
        first, end = self._window.to_ms - OFFLINE_MS, self._window.to_ms
        gap_ms = OFFLINE_MS // LATE_EVENTS
        times = [first + n * gap_ms for n in range(LATE_EVENTS - 1)] + [end - 1]
        events = [(at, writer(self._rng, n)) for n, at in enumerate(times)]
        return LogGroup(name, self._founded_ms, [LogStream(stream, events)])

    def _events(self, writer: _Writer) -> list[tuple[int, str]]:
        first, end = self._window.from_ms, self._window.to_ms
        edges = [first - 1, first, end - 1, end, end + 1]
        count = self._events_per_stream
        inside = sorted(self._rng.randrange(first, end) for _ in range(count - len(edges)))
        times = sorted([first - DAY_MS // 3, *edges, *inside])
        return [(at, writer(self._rng, n)) for n, at in enumerate(times) if at <= self._now_ms]


def previous_day(now: datetime) -> Window:
    """Return yesterday, as the zone of ``now`` has it."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = (today - timedelta(hours=12)).replace(hour=0)
    return Window.between(yesterday, today)


def organisation(window: Window, *, now_ms: int, events_per_stream: int = 60) -> list[Account]:
    """Return the company's accounts with logs in and around ``window``.

    Args:
        window: The window that will be exported.
        now_ms: No event is later than this.
        events_per_stream: How many events each stream has in or around the window, at least 8.
    """
    company = _Company(window, now_ms=now_ms, events_per_stream=events_per_stream)
    shop, payments, platform = _shop(company), _payments(company), _platform(company)
    return [
        Account("shop", "444455556666", shop),
        Account("payments", "555566667777", payments, [_late(company)]),
        Account("platform", "777788889999", platform),
    ]


def _late(company: _Company) -> LogGroup:
    return company.offline("bastion.messages", _syslog_line, "i-0377be99224f")


def _shop(company: _Company) -> list[LogGroup]:
    group = company.log_group
    return [
        group(
            "/aws/lambda/shop-checkout",
            _lambda_line,
            "2026/11/22/[$LATEST]3f2a9c1be04d4f6b9a7c5d8e1f203142",
            "2026/11/22/[$LATEST]c41d7a80be3f4d21a6b5c4d3e2f10918",
            "2026/11/22/[1]9b8a7c6d5e4f30211203f4e5d6c7b8a9",
        ),
        group("/aws/lambda/shop-cart", _lambda_line, "2026/11/22/[$LATEST]abc", retention_days=30),
        group("/aws/lambda/shop-unused", _lambda_line),
        group("/aws/lambda/foo-bar", _lambda_line, "2026/11/22/[$LATEST]f00"),
        group("/aws/lambda/foobar", _lambda_line, "2026/11/22/[$LATEST]f00"),
        group("/app/dev-api", _json_line, "api/api/6d1f0c"),
        group("/app/dev/api", _json_line, "api/api/7e2a1b"),
        group("/ecs/storefront", _access_line, "web/nginx/0a1b2c3d", "web/nginx/1b2c3d4e"),
        group("/ecs/recommendations", _stack_trace, "jvm/main/aa01", "jvm/main/aa02"),
        group("/aws/rds/instance/shop-db/postgresql", _syslog_line, "shop-db.0", "shop-db.1"),
        group("API-Gateway-Execution-Logs_a1b2c3d4e5/prod", _access_line, "b0c1d2e3"),
        group("/aws/codebuild/storefront#1", _syslog_line, "build 17", "build 18 (retry)"),
        group("/audit/shop", _json_line, "trail", log_group_class="INFREQUENT_ACCESS"),
        company.created_after_the_window("/aws/lambda/shop-launched-today"),
    ]


def _payments(company: _Company) -> list[LogGroup]:
    group = company.log_group
    return [
        group("/aws/lambda/payments-capture", _lambda_line, "2026/11/22/[$LATEST]0001"),
        group("/aws/lambda/payments-refund", _lambda_line, "2026/11/22/[$LATEST]0002"),
        group("/aws/lambda/payments-webhook", _lambda_line, "2026/11/22/[$LATEST]0003"),
        group("/aws/lambda/payments-never-called", _lambda_line),
        group("/ecs/ledger", _stack_trace, "ledger/app/5501", "ledger/app/5502", "ledger/app/5503"),
        group("/ecs/fraud-scoring", _json_line, "score/app/100%", "score/app/ünïcødé"),
        group("/aws/vpc/flow-logs", _flow_line, "eni-0a1f-all", "eni-0a2f-all", retention_days=14),
        group("/pci/audit", _json_line, "hsm", log_group_class="INFREQUENT_ACCESS"),
        group("bastion.messages", _syslog_line, "i-0377be99224f", "i-0588cf00335a"),
        group("/aws/states/payouts", _json_line, "states/payouts/2026-11-22"),
        group("/delivery/edge", _access_line, log_group_class="DELIVERY", retention_days=1),
    ]


def _platform(company: _Company) -> list[LogGroup]:
    group = company.log_group
    return [
        group("/aws/eks/main/cluster", _json_line, "kube-apiserver-1", "kube-scheduler-1"),
        group("/aws/containerinsights/main/application", _json_line, *_nodes(6)),
        group("/aws/containerinsights/main/host", _syslog_line, *_nodes(3)),
        group("/aws/lambda/platform-rotate-keys", _lambda_line, "2026/11/22/[$LATEST]k1"),
        group("/aws/lambda/platform-nightly", _lambda_line),
        group("/aws/transfer/s-01234567890abcdef", _syslog_line, "partner_a.1", "partner_b.2"),
        group("/route53/example.com", _access_line, "Z123/FRA53-C1"),
        group("/vpn/eu", _syslog_line, "tunnel-1", "tunnel-2"),
        group("cloudtrail", _json_line, "777788889999_CloudTrail_eu-west-1"),
        group("/org/access-reviews", _json_line, "2026", log_group_class="INFREQUENT_ACCESS"),
    ]


def _nodes(count: int) -> list[str]:
    return [f"ip-10-0-3-{n}.eu-west-1.compute.internal_pod" for n in range(count)]
