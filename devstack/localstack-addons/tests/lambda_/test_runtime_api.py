"""What a process sees of the Runtime API: plain HTTP, as AWS documents it."""

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from threading import Thread

import pytest

from localstack_addons.lambda_.runtime_api import Answer, Event, RuntimeApi, failure

EVENT = Event("id-1", b'{"a": 1}', 1_700_000_000_000, "arn:aws:lambda:::function:f", "Root=1-2")
LIMIT_S = 5


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    yield api
    api.process_ended(failure("Runtime.ExitError", "the test is over"))


@pytest.fixture
def process(api: RuntimeApi) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(api.address, timeout=LIMIT_S)) as connection:
        yield connection


def get_next(process: http.client.HTTPConnection) -> tuple[http.client.HTTPMessage, bytes]:
    process.request("GET", "/2018-06-01/runtime/invocation/next")
    response = process.getresponse()
    assert response.status == 200
    return response.headers, response.read()


def post(process: http.client.HTTPConnection, path: str, body: bytes, error_type: str = "") -> int:
    headers = {"Lambda-Runtime-Function-Error-Type": error_type} if error_type else {}
    process.request("POST", f"/2018-06-01/runtime/{path}", body, headers)
    response = process.getresponse()
    response.read()
    return response.status


def test_the_process_gets_the_event_with_its_headers(api, process):
    api.send(EVENT)
    headers, payload = get_next(process)
    assert payload == b'{"a": 1}'
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "id-1"
    assert headers["Lambda-Runtime-Deadline-Ms"] == "1700000000000"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:aws:lambda:::function:f"
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=1-2"


def test_asking_for_the_first_event_ends_the_initialisation(api, process):
    assert not api.initialised.done()
    api.send(EVENT)
    get_next(process)
    assert api.initialised.result(LIMIT_S) is None


def test_an_init_error_is_what_the_initialisation_comes_to(api, process):
    assert post(process, "init/error", b"{}", "Runtime.ImportModuleError") == 202
    assert api.initialised.result(LIMIT_S) == Answer(b"{}", "Runtime.ImportModuleError")


def test_a_response_is_the_answer(api, process):
    answer = api.send(EVENT)
    get_next(process)
    assert post(process, "invocation/id-1/response", b'"done"') == 202
    assert answer.result(LIMIT_S) == Answer(b'"done"')


def test_an_error_is_the_answer_and_says_so(api, process):
    answer = api.send(EVENT)
    get_next(process)
    assert post(process, "invocation/id-1/error", b"{}", "ValueError") == 202
    assert answer.result(LIMIT_S) == Answer(b"{}", "ValueError")
    assert answer.result().is_error


def test_an_answer_to_another_request_is_refused(api, process):
    answer = api.send(EVENT)
    get_next(process)
    assert post(process, "invocation/id-0/response", b'"late"') == 400
    assert not answer.done()


def test_one_process_answers_event_after_event(api, process):
    for number in range(3):
        answer = api.send(Event(f"id-{number}", b"{}", 0, "arn", ""))
        headers, _ = get_next(process)
        post(
            process,
            f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response",
            b"%d" % number,
        )
        assert answer.result(LIMIT_S).payload == b"%d" % number


def test_the_end_of_the_process_answers_what_is_pending(api):
    answer = api.send(EVENT)
    ended = failure("Runtime.ExitError", "gone")
    api.process_ended(ended)
    assert answer.result(LIMIT_S) == ended
    assert api.initialised.result(LIMIT_S) == ended


def test_the_end_of_the_process_answers_what_comes_later(api):
    ended = failure("Runtime.ExitError", "gone")
    api.process_ended(ended)
    assert api.send(EVENT).result(LIMIT_S) == ended


def test_an_answer_that_may_not_count_does_not():
    api = RuntimeApi(may_answer=lambda: False)
    answer = api.send(EVENT)
    with closing(http.client.HTTPConnection(api.address, timeout=LIMIT_S)) as process:
        get_next(process)
        assert post(process, "invocation/id-1/response", b'"done"') == 400
    assert not answer.done()
    api.process_ended(failure("Runtime.ExitError", "the test is over"))


def test_the_process_waits_for_its_next_event_until_there_is_one(api, process):
    got: Future[bytes] = Future()
    Thread(target=lambda: got.set_result(get_next(process)[1]), daemon=True).start()
    api.initialised.result(LIMIT_S)
    assert not got.done()
    api.send(EVENT)
    assert json.loads(got.result(LIMIT_S)) == {"a": 1}


@pytest.mark.parametrize("path", ["extension/register", "invocation/id-1/other", ""])
def test_what_the_runtime_api_does_not_have_is_not_found(process, path):
    assert post(process, path, b"{}") == 404
