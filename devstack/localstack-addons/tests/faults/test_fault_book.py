import pytest

from localstack_addons.faults.book import CALLS_KEPT, Call, FaultBook, FaultError

CREATE = Call("exporter", "logs", "CreateExportTask")
DESCRIBE = Call("exporter", "logs", "DescribeExportTasks")
OF_ANOTHER = Call("planner", "logs", "CreateExportTask")
OF_NOBODY = Call(None, "logs", "CreateExportTask")


@pytest.fixture
def book() -> FaultBook:
    return FaultBook()


def kills(book: FaultBook, *calls: Call) -> list[bool]:
    return [book.kill_after(call) is not None for call in calls]


def errors(book: FaultBook, *calls: Call) -> list[str | None]:
    found = [book.error_for(call) for call in calls]
    return [fault.code if fault else None for fault in found]


def test_the_nth_call_kills_once(book):
    book.arm({"function": "exporter", "kill_after_call": 2})
    assert kills(book, *[CREATE] * 5) == [False, True, False, False, False]
    assert book.describe()["armed"] == []


def test_every_nth_call_kills_when_it_repeats(book):
    book.arm({"function": "exporter", "kill_after_call": 2, "repeat": True})
    assert kills(book, *[CREATE] * 5) == [False, True, False, True, False]
    assert book.describe()["functions"]["exporter"]["kills"] == 2


def test_every_call_kills_when_one_repeats(book):
    book.arm({"function": "exporter", "kill_after_call": 1, "repeat": True})
    assert kills(book, *[CREATE] * 3) == [True] * 3


def test_only_the_function_s_calls_count(book):
    book.arm({"function": "exporter", "kill_after_call": 2})
    assert kills(book, CREATE, OF_ANOTHER, OF_NOBODY, CREATE) == [False, False, False, True]


def test_only_calls_of_the_operation_count(book):
    book.arm({"function": "exporter", "kill_after_call": 2, "operation": "logs.CreateExportTask"})
    assert kills(book, CREATE, DESCRIBE, DESCRIBE, CREATE) == [False, False, False, True]


def test_calls_before_it_was_armed_do_not_count(book):
    kills(book, CREATE)
    book.arm({"function": "exporter", "kill_after_call": 1})
    assert kills(book, CREATE, CREATE) == [True, False]


def test_faults_count_side_by_side_and_one_kill_is_one(book):
    book.arm({"function": "exporter", "kill_after_call": 2})
    book.arm({"function": "exporter", "kill_after_call": 2, "drop_answer": False})
    assert kills(book, *[CREATE] * 3) == [False, True, False]
    assert book.describe()["functions"]["exporter"]["kills"] == 1


def test_calls_are_remembered_in_order_per_function(book):
    kills(book, CREATE, OF_ANOTHER, OF_NOBODY, DESCRIBE)
    functions = book.describe()["functions"]
    assert functions == {
        "exporter": {
            "calls": [
                {"service": "logs", "operation": "CreateExportTask"},
                {"service": "logs", "operation": "DescribeExportTasks"},
            ],
            "kills": 0,
        },
        "planner": {
            "calls": [{"service": "logs", "operation": "CreateExportTask"}],
            "kills": 0,
        },
    }


def test_only_the_newest_calls_are_remembered(book):
    kills(book, CREATE, *[DESCRIBE] * CALLS_KEPT)
    calls = book.describe()["functions"]["exporter"]["calls"]
    assert len(calls) == CALLS_KEPT
    assert calls[0]["operation"] == "DescribeExportTasks"


def test_a_reset_disarms_and_forgets(book):
    book.arm({"function": "exporter", "kill_after_call": 2})
    book.arm({"function": "exporter", "error": {"code": "ThrottlingException"}})
    kills(book, CREATE)
    book.reset()
    assert book.describe() == {"armed": [], "functions": {}}
    assert kills(book, CREATE) == [False]
    assert errors(book, CREATE) == [None]


def test_an_error_is_answered_as_often_as_armed(book):
    book.arm({"operation": "logs.CreateExportTask", "error": {"code": "Throttled"}, "times": 2})
    assert errors(book, CREATE, DESCRIBE, OF_ANOTHER, OF_NOBODY) == [
        "Throttled",
        None,
        "Throttled",
        None,
    ]


def test_an_error_may_be_meant_for_one_function(book):
    book.arm({"function": "exporter", "error": {"code": "SlowDown", "status": 503}, "times": 9})
    assert errors(book, OF_ANOTHER, OF_NOBODY, DESCRIBE) == [None, None, "SlowDown"]


def test_an_error_may_be_meant_for_one_operation_of_one_function(book):
    book.arm(
        {
            "function": "exporter",
            "operation": "logs.CreateExportTask",
            "error": {"code": "LimitExceededException", "message": "full", "status": 400},
            "executed": True,
        }
    )
    assert errors(book, DESCRIBE, OF_ANOTHER) == [None, None]
    fault = book.error_for(CREATE)
    assert fault
    assert (fault.code, fault.message, fault.status) == ("LimitExceededException", "full", 400)
    assert fault.executed


def test_a_long_function_name_is_known_by_what_it_signs_with(book):
    book.arm({"function": "f" * 64, "kill_after_call": 1})
    assert kills(book, Call("f" * 50, "s3", "PutObject")) == [True]


def test_the_reset_of_one_function_leaves_the_others_armed_and_their_calls_known(book):
    long = "f" * 64
    for function in (long, "g"):
        book.arm({"function": function, "kill_after_call": 2})
        book.arm({"function": function, "error": {"code": "Throttled"}})
        book.kill_after(Call(function[:50], "s3", "PutObject"))
    book.arm({"operation": "s3.GetObject", "error": {"code": "SlowDown"}})
    book.reset([long])
    found = book.describe()
    assert [each["function"] for each in found["armed"]] == ["g", "g", None]
    assert list(found["functions"]) == ["g"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "either kill_after_call or error"),
        ({"function": "f", "kill_after_call": 1, "error": {}}, "either kill_after_call or error"),
        ({"kill_after_call": 1}, "'function'"),
        ({"function": "f", "kill_after_call": 0}, "counts from 1"),
        ({"function": "f", "kill_after_call": True}, "kill_after_call cannot be True"),
        ({"function": "f", "kill_after_call": "1"}, "kill_after_call cannot be '1'"),
        ({"function": "f", "kill_after_call": 1, "repeat": 1}, "repeat cannot be 1"),
        ({"function": "f", "kill_after_call": 1, "twice": True}, "not a member .* twice"),
        ({"function": "f", "kill_after_call": 1, "counted": 1}, "not a member .* counted"),
        ({"function": "f", "error": "Throttled"}, "error is an object"),
        ({"function": "f", "error": {}}, "'code'"),
        ({"error": {"code": "Throttled"}}, "a function, an operation or both"),
        ({"function": "f", "error": {"code": "Throttled"}, "times": None}, "times cannot be None"),
    ],
)
def test_what_is_no_fault_is_refused_with_the_reason(book, document, message):
    with pytest.raises(FaultError, match=message):
        book.arm(document)
    assert book.describe()["armed"] == []
