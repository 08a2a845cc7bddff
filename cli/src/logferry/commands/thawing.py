"""The command that has back, for a time, what S3 keeps in GLACIER or DEEP_ARCHIVE."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from logferry import search as searching
from logferry import thaw as thawing
from logferry.cold import Tier, gone_at
from logferry.commands.chosen import Chosen
from logferry.commands.console import (
    DONE,
    NOT_WHOLE,
    STOPPED,
    Flag,
    Json,
    agree,
    code_of,
    messages,
    one_or_all,
    show_json,
    told,
    told_errors,
)
from logferry.commands.whole import whole
from logferry.errors import ConfigError, ThawError
from logferry.place import Place
from logferry.thaw import Noting, Objects, Winter
from logferry.workers import READERS, Threads
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.streams import Piece
from logferry_contracts.verification.store import Unreadable

if TYPE_CHECKING:
    from logferry.glacier import Glacier

LOOKED_S = 60.0
"""After so many seconds what is being restored is looked at again."""
_MOST_DAYS = 365


def thaw(  # noqa: PLR0913  (an option each)
    archive: str,
    /,
    *,
    chosen: Chosen,
    tier: Tier = "Standard",
    days: Annotated[int, whole(1, _MOST_DAYS)] = 7,
    yes: Flag = False,
    no_wait: Flag = False,
    dry_run: Flag = False,
    as_json: Json = False,
) -> int:
    """Have back, for some days, what S3 keeps in GLACIER or DEEP_ARCHIVE of a time.

    `logferry thaw organization.yaml --log-group /aws/lambda/orders --from 2025-03-14
    --to 2025-03-15 --tier Bulk --days 3`

    Looks at each object of the time, says what has to be restored, how long that takes and what it
    costs, asks, asks S3, and waits until everything can be read. What is being restored already, or
    is there for as long, is not asked for again: the same command goes on after Ctrl-C, which ends
    nothing but the waiting. Exit code 0 when everything can be read; 3 when something is frozen or
    being restored, or cannot be looked at; 1 when S3 refuses or somebody says no; 2 for bad input;
    130 after Ctrl-C.

    Args:
        archive: A configuration of what is deployed; or s3:// and the name of the archive's bucket.
        chosen: What is thawed.
        tier: Expedited: minutes, and only from GLACIER; Standard: hours; Bulk: more hours, for
            the least money.
        days: How long it can be read then.
        yes: Do not ask.
        no_wait: End once S3 was asked.
        dry_run: Only say what would be restored, how long that takes and what it costs.
        as_json: Print what was frozen, what it takes and what came of it as JSON.
    """
    how = _Thawing(
        chosen=chosen, tier=tier, days=days, is_agreed=yes, waits=not no_wait, is_dry_run=dry_run
    )
    try:
        found = [how.at(place) for place in chosen.places(archive)]
    except KeyboardInterrupt:
        messages.print("stopped: S3 goes on, and so does the same command")
        return STOPPED
    except Unreadable as error:
        return told(error, NOT_WHOLE, as_json=as_json)
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    if as_json:
        show_json(one_or_all(found))
    return DONE if all(each["is_done"] for each in found) else NOT_WHOLE


@dataclass(frozen=True, kw_only=True)
class _Thawing:
    """How it is done."""

    chosen: Chosen
    tier: Tier
    days: int
    is_agreed: bool
    waits: bool
    is_dry_run: bool

    def at(self, place: Place) -> dict[str, Any]:
        """Thaw what is wanted of a place, and return what came of it.

        What says which objects there are may be frozen as well: that comes first.

        Raises:
            ConfigError: Nothing can be frozen there, or S3 has no such tier.
            ThawError: Somebody said no.
            ClientError: S3 refused.
            Unreadable: Nobody may look.
        """
        if place.glacier is None:
            raise ConfigError(str(place.store), ["it is a folder, where nothing is frozen"])
        threads = Threads(READERS)
        try:
            while True:
                plan, lists = self._planned(place, threads)
                if plan is not None and not lists:
                    outcome = self._thaw(place.glacier, Objects(plan), threads)
                    return outcome | {"is_done": outcome["is_done"] and not plan.findings}
                outcome = self._thaw(place.glacier, lists, threads)
                if not outcome["is_done"]:
                    return outcome
        finally:
            threads.stop()

    def _planned(self, place: Place, threads: Threads) -> tuple[Plan | None, list[Piece]]:
        """Return what there is of what is wanted; and what was too cold to be read for that.

        Raises:
            Unreadable: By anything else.
        """
        noting = Noting(place.store)
        wanted = self.chosen.wanted(datetime.now(UTC))
        plan = None
        try:
            with messages.status(f"Looking for what {place.store} has"):
                plan = searching.planned(
                    place._replace(store=noting), wanted, mapped=threads.mapped
                )
        except Unreadable:
            if not noting.frozen:
                raise
        if noting.frozen:
            messages.print("What says which objects there are is frozen itself:")
        elif plan is not None:
            for line in searching.plan_lines(plan):
                messages.print(line)
        return plan, [Piece(key, version_id or "", 0) for key, version_id in noting.frozen]

    def _thaw(self, glacier: "Glacier", some: Iterable[Piece], threads: Threads) -> dict[str, Any]:
        """Thaw some objects, which are gone through more than once."""
        winter = Winter(lasting=gone_at(datetime.now(UTC), self.days))
        with messages.status("Looking at each object"):
            for cold in thawing.cold_objects(glacier, some, mapped=threads.mapped):
                winter.add(cold)
        thawing.check_tier(winter, self.tier)
        for line in thawing.offer_lines(winter, self.tier, self.days):
            messages.print(line)
        document = thawing.offer_as_json(winter, self.tier, self.days)
        if self.is_dry_run:
            return document | {"asked": 0, "is_done": winter.is_over}
        asked = self._ask(glacier, some, winter, threads) if winter.wants_more else 0
        # Somebody else may have been quicker to ask.
        if self.waits and (winter.wants_more or winter.thawing.objects):
            self._follow(glacier, some, threads)
        return document | {"asked": asked, "is_done": winter.is_over or self.waits}

    def _ask(
        self, glacier: "Glacier", some: Iterable[Piece], winter: Winter, threads: Threads
    ) -> int:
        """Ask a person, and then S3; return how often."""
        if not self.is_agreed:
            agree("Have it restored?", refused=ThawError, otherwise="nothing was restored")
        wanted = filter(winter.wants, thawing.cold_objects(glacier, some, mapped=threads.mapped))
        asking = Threads(READERS)
        try:
            with messages.status("Asking S3"):
                return sum(
                    asking.mapped(lambda cold: glacier.thaw(cold, self.tier, self.days), wanted)
                )
        finally:
            asking.stop()

    def _follow(self, glacier: "Glacier", some: Iterable[Piece], threads: Threads) -> None:
        """Wait until everything can be read."""
        with messages.status("Waiting for S3") as shown:
            thawing.follow(
                glacier,
                thawing.cold_objects(glacier, some, mapped=threads.mapped),
                wait=lambda: time.sleep(LOOKED_S),
                tell=lambda ready: shown.update(f"Waiting for S3: {ready:,} can be read"),
            )
        messages.print("everything can be read")
