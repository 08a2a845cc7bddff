"""The sealer's process is killed with SIGKILL, or five of them work at once: there is one chain.

The kill comes after a call has taken effect and before its answer arrives. The message comes back
by its queue, and so does the clock's: here it is another request, which need not wait for that.
"""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.sealed_account import Account

SEALERS = 5
FEWEST_CALLS = 15
"""The notes and the seals read, the records and the inventory, the objects and their listing, the
statements, the list and the seal written and read back, the key asked for, the signature."""

pytestmark = pytest.mark.localstack


@pytest.fixture
def suite(suite_apart):
    return suite_apart


@pytest.fixture
def sealer(suite):
    """The name of the function; it is spared in the end."""
    name = f"{suite.name}-sealer"
    yield name
    suite.reset_faults(name)


@pytest.fixture
def to_seal(suite):
    """Return a new source with a date that is to be sealed."""

    def account():
        made = Account(suite)
        for name in ("/a", "/b"):
            made.export(name)
        made.inventory("/a", "/b", excluded="/c")
        return made

    return account


@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.deep)])
def test_a_kill_after_any_call_of_a_dates_sealing_leaves_one_chain(
    suite, sealer, step, tap, to_seal
):
    def kills():
        return suite.control("faults")["functions"].get(sealer, {}).get("kills", 0)

    for call in itertools.count(1, step):
        suite.reset_faults(sealer)
        account = to_seal()
        suite.control("faults", {"function": sealer, "kill_after_call": call, "repeat": False})
        account.ask()
        tap.until(lambda a=account: kills() or a.sealed(tap))
        was_killed = kills()
        suite.reset_faults(sealer)
        account.ask()
        tap.until(lambda a=account: a.sealed(tap))

        [day] = account.checked().links
        assert (day.kind, day.sealed.outcomes) == ("day", {"archived": 2, "excluded": 1}), call
        if not was_killed:
            assert call > FEWEST_CALLS
            return


def test_five_sealers_at_once_make_one_chain(suite, sealer, tap, to_seal):
    account = to_seal()
    record = {
        "receiptHandle": "none",
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-west-1:111122223333:{sealer}",
        "awsRegion": "eu-west-1",
    }

    def invoke(number):
        one = record | {"messageId": str(number), "body": account.request()}
        answer = suite.client("lambda").invoke(
            FunctionName=sealer, Payload=json.dumps({"Records": [one]})
        )
        assert "FunctionError" not in answer

    with ThreadPoolExecutor(SEALERS) as threads:
        list(threads.map(invoke, range(SEALERS)))
    account.ask()
    tap.until(lambda: account.sealed(tap))

    assert [link.kind for link in account.checked().links] == ["day"]
    assert {each.data.sequence for each in account.sealed(tap)} == {1}
