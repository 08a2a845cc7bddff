"""An agent that was offline is back: what it sends late is found, added and sealed.

The recounter of its account is deployed as any other. Its clock is put ahead, as nobody has three
days to wait.
"""

import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from devstack.clocks import ahead
from devstack.organisation import Account
from devstack.suite import Suite
from devstack.watch import Watch
from logferry_contracts.chain import ChainName
from logferry_contracts.recount_request import RecountRequest, RecountRequestData
from logferry_contracts.seal_request import SealRequest, SealRequestData
from logferry_contracts.wire import emit

COUNTED_AFTER = timedelta(hours=3)
"""How far the recounter's clock is ahead at first: a window is left alone for two."""
LOOKED_AFTER = timedelta(days=3, hours=3)
"""And later: the first later look."""


class ComebackError(Exception):
    """The recounter has failed; the message is what it has logged."""


@dataclass(frozen=True)
class Comeback:
    """One account's agent.

    Attributes:
        function_name: Of the account's recounter.
        watch: What was announced.
        wait: Waits until something is so, and takes in what is announced meanwhile.
    """

    suite: Suite
    account: Account
    function_name: str
    watch: Watch
    wait: Callable[[Callable[[], bool]], None]

    def steps(self) -> Iterator[str]:
        """Let everything happen, and yield a line on each step, once it is done."""
        self._let_sealer_read_recounts()
        functions = self.suite.client("lambda")
        with ahead(functions, self.function_name, COUNTED_AFTER):
            self._count()
        yield "its windows were counted in CloudWatch Logs as well"
        yield f"its agent is back, and has sent {self._send()} events of that day"
        with ahead(functions, self.function_name, LOOKED_AFTER):
            self._count()
            yield "three days later, by the recounter's clock: counted again, there are more"
            self._seal(is_lacking=True)
            self._count()  # what lacks events is asked for
            self.wait(self._is_added)
            yield "what was missing was added, and that alone"
        self._seal(is_lacking=False)
        yield "its date is sealed again, with all of it"

    def _send(self) -> int:
        logs = self.suite.client("logs", self.account.account_id)
        sent = 0
        for group in self.account.late:
            for stream in group.streams:
                events = [{"timestamp": at, "message": text} for at, text in stream.events]
                logs.put_log_events(
                    logGroupName=group.name, logStreamName=stream.name, logEvents=events
                )
                sent += len(events)
        return sent

    def _count(self) -> None:
        request = RecountRequest.of(
            RecountRequestData(), id=uuid.uuid4().hex, source="urn:demo", time=datetime.now(UTC)
        )
        answer: Any = self.suite.client("lambda").invoke(
            FunctionName=self.function_name, Payload=emit(request), LogType="Tail"
        )
        if "FunctionError" in answer:
            raise ComebackError(b64decode(answer["LogResult"]).decode())

    def _let_sealer_read_recounts(self) -> None:
        """Other accounts are not counted: so it has waited for none."""
        functions, name = self.suite.client("lambda"), f"{self.suite.name}-sealer"
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]
        changed = variables["Variables"] | {"RECOUNT_WITHIN_HOURS": "1"}
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": changed}
        )
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)

    def _seal(self, *, is_lacking: bool) -> None:
        """Ask the sealer, as its schedule does every three hours, and wait for what it says."""
        chain = ChainName.of(self.suite.source(self.account.profile))
        of_date = [each.data for each in self.watch.sealed.values() if each.data.chain == chain]
        known = max(each.sequence for each in of_date)

        def is_sealed() -> bool:
            events = self.watch.sealed.values()
            later = [e.data for e in events if e.data.chain == chain and e.data.sequence > known]
            return any(each.sealed and bool(each.sealed.lacking) == is_lacking for each in later)

        request = SealRequest.of(
            SealRequestData(chain=chain),
            id=uuid.uuid4().hex,
            source="urn:demo",
            time=datetime.now(UTC),
        )
        self.suite.client("sqs").send_message(
            QueueUrl=self.suite.queue_url(f"{self.suite.name}-sealer"), MessageBody=emit(request)
        )
        self.wait(is_sealed)

    def _is_added(self) -> bool:
        late = {group.name for group in self.account.late}
        records = [
            each
            for each in self.suite.ledger()
            if each.source.profile == self.account.profile and each.log_group.name in late
        ]
        return all(each.addenda and each.state == "secured" for each in records)
