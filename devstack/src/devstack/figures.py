"""The figures of a run: what was put in, what the archive holds, what was announced."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from devstack.archive import Event, ObjectVersion, as_archived
from devstack.organisation import Account
from devstack.seals import Seals
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.window import Window


@dataclass(frozen=True)
class AccountFigures:
    """One source's part of the figures."""

    profile: str
    account_id: str
    log_groups: int
    requested: int
    completed: int
    failed: int
    skipped: dict[str, int]
    events_put_in_window: int
    events_archived_in_window: int


@dataclass(frozen=True)
class Figures:
    """A whole run.

    ``events_missing`` and ``events_surplus`` compare event by event (log group, stream, time and
    message), not only their numbers, and late ones as all others; an event on the boundary
    millisecond is no surplus, since AWS may read the window's end as inclusive. What the seals say
    is compared with it.
    """

    accounts: int
    exports_requested: int
    exports_completed: int
    exports_failed: int
    exports_by_lane: dict[str, int]
    skipped: dict[str, int]
    events_put_in_window: int
    events_archived_in_window: int
    events_archived_on_boundary_millisecond: int
    events_archived_outside_window: int
    events_missing: int
    events_surplus: int
    events_late: int
    addenda: int
    objects: int
    objects_under_right_key: int
    objects_held: int
    write_tests_left: int
    completion_events_received: int
    days_announced: int
    days_sealed: int
    seals_valid: bool
    log_groups_in_seals: int
    sealed_objects: int
    events_in_seals: int
    exporter_kills: int
    seconds: float
    per_account: list[AccountFigures]

    @property
    def problems(self) -> list[str]:
        """What is not as it has to be, in words; empty after a good run."""
        return [*self.archive_problems, *self.seal_problems]

    @property
    def archive_problems(self) -> list[str]:
        """What is not as it has to be in archive, ledger and events."""
        put, archived = self.events_put_in_window, self.events_archived_in_window
        done, asked = self.exports_completed, self.exports_requested
        told = self.completion_events_received
        checks = [
            (asked > 0, "no export was requested"),
            (done == asked, f"{done} of {asked} exports completed"),
            (not self.exports_failed, f"{self.exports_failed} exports failed"),
            (archived == put, f"{archived} events archived of {put} put in"),
            (not self.events_missing, f"{self.events_missing} events missing"),
            (not self.events_surplus, f"{self.events_surplus} events more than were put in"),
            (
                not self.events_archived_outside_window,
                f"{self.events_archived_outside_window} events from outside the window",
            ),
            (
                self.objects_under_right_key == self.objects,
                f"{self.objects_under_right_key} of {self.objects} objects under the right key",
            ),
            (
                self.objects_held == self.objects,
                f"{self.objects_held} of {self.objects} objects on legal hold",
            ),
            (not self.write_tests_left, f"{self.write_tests_left} write-test objects left"),
            (
                told == done + self.addenda,
                f"{told} completion events for {done} completed exports"
                + (f" and {self.addenda} addenda" if self.addenda else ""),
            ),
            (
                bool(self.addenda) == bool(self.events_late),
                f"{self.addenda} addenda of {self.events_late} late events",
            ),
            (
                self.days_announced == self.accounts,
                f"{self.days_announced} of {self.accounts} accounts' days announced as complete",
            ),
        ]
        return [problem for holds, problem in checks if not holds]

    @property
    def seal_problems(self) -> list[str]:
        """Where the seals are not valid, or say something else than what is in the archive."""
        groups = sum(account.log_groups for account in self.per_account)
        events = self.events_archived_in_window + self.events_archived_on_boundary_millisecond
        checks = [
            (
                self.days_sealed == self.accounts,
                f"{self.days_sealed} of {self.accounts} accounts' days sealed",
            ),
            (self.seals_valid, "the seals are not valid: logferry verify says what is not"),
            (
                self.log_groups_in_seals == groups,
                f"{self.log_groups_in_seals} of {groups} log groups in the seals",
            ),
            (
                self.sealed_objects == self.objects,
                f"{self.sealed_objects} of {self.objects} objects in the seals",
            ),
            (
                self.events_in_seals == events,
                f"{self.events_in_seals} of {events} events in the seals",
            ),
        ]
        return [problem for holds, problem in checks if not holds]

    def as_json(self) -> dict[str, Any]:
        """Return the figures as a JSON document."""
        return {**asdict(self), "problems": self.problems}


def figures(  # noqa: PLR0913  (each is one of the run's independent witnesses)
    *,
    accounts: list[Account],
    window: Window,
    ledger: list[LedgerRecord],
    archive: list[ObjectVersion],
    kms_key_arn: str,
    completion_event_ids: set[str],
    days_announced: int,
    seals: Seals,
    exporter_kills: int,
    seconds: float,
) -> Figures:
    """Compare what was put in with what archive, seals, ledger and events say."""
    put = Counter(
        as_archived(account.profile, *event) for account in accounts for event in account.events()
    )
    archived: Counter[Event] = Counter()
    for version in archive:
        archived += version.events
    put_in = _within(put, window)
    archived_in = _within(archived, window)
    on_boundary = sum(n for event, n in archived.items() if event[3] == window.to_ms)
    logs = [version for version in archive if not version.key.endswith("/aws-logs-write-test")]
    per_account = [_of_account(account, ledger, put_in, archived_in) for account in accounts]
    return Figures(
        accounts=len(accounts),
        exports_requested=sum(account.requested for account in per_account),
        exports_completed=sum(account.completed for account in per_account),
        exports_failed=sum(account.failed for account in per_account),
        exports_by_lane=dict(Counter(record.lane for record in ledger if record.completed)),
        skipped=dict(sum((Counter(account.skipped) for account in per_account), Counter[str]())),
        events_put_in_window=put_in.total(),
        events_archived_in_window=archived_in.total(),
        events_archived_on_boundary_millisecond=on_boundary,
        events_archived_outside_window=archived.total() - archived_in.total() - on_boundary,
        events_missing=(put_in - archived_in).total(),
        events_surplus=(archived_in - put_in).total(),
        events_late=sum(
            len(each.events) for account in accounts for log in account.late for each in log.streams
        ),
        addenda=sum(len(record.addenda or ()) for record in ledger),
        objects=len(logs),
        objects_under_right_key=sum(version.kms_key_arn == kms_key_arn for version in logs),
        objects_held=sum(version.legal_hold for version in logs),
        write_tests_left=len(archive) - len(logs),
        completion_events_received=len(completion_event_ids),
        days_announced=days_announced,
        days_sealed=seals.days,
        seals_valid=seals.are_valid,
        log_groups_in_seals=seals.log_groups,
        sealed_objects=seals.objects,
        events_in_seals=seals.events,
        exporter_kills=exporter_kills,
        seconds=round(seconds, 1),
        per_account=per_account,
    )


def _within(events: "Counter[Event]", window: Window) -> "Counter[Event]":
    return Counter({e: n for e, n in events.items() if window.from_ms <= e[3] < window.to_ms})


def _of_account(
    account: Account,
    ledger: list[LedgerRecord],
    put_in: "Counter[Event]",
    archived_in: "Counter[Event]",
) -> AccountFigures:
    records = [record for record in ledger if record.source.account_id == account.account_id]
    states = Counter(record.state for record in records)
    return AccountFigures(
        profile=account.profile,
        account_id=account.account_id,
        log_groups=len(account.log_groups),
        requested=len(records) - states["skipped"],
        completed=states["completed"] + states["secured"],
        failed=states["failed"],
        skipped=dict(Counter(r.skipped.reason for r in records if r.skipped)),
        events_put_in_window=_of_profile(put_in.items(), account.profile),
        events_archived_in_window=_of_profile(archived_in.items(), account.profile),
    )


def _of_profile(events: Iterable[tuple[Event, int]], profile: str) -> int:
    return sum(count for event, count in events if event[0] == profile)
