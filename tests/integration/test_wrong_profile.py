"""One wrong profile in a request stops no other source, as deployed."""

import pytest

pytestmark = pytest.mark.localstack


def mixed_up(suite, include):
    """Return a request for alpha's profile with beta's account and role."""
    request = suite.plan_request("beta", include=include)
    request["data"]["source"]["profile"] = "alpha"
    return request


def test_a_request_for_one_profile_with_the_account_of_another_is_refused_and_writes_nothing(
    suite, name, records, some_logs, letters
):
    some_logs("beta", name)
    answer = suite.invoke_planner(mixed_up(suite, [name]))

    assert (answer["status"], answer["reason"]) == ("dead_lettered", "refused_profile")
    assert suite.source("beta").slot in answer["detail"]
    assert records(name) == []
    assert letters("logferry-planner-dlq") == ["refused_profile"]


def test_what_was_asked_for_under_another_profile_is_taken_over_by_the_sources_own_plan(
    suite, tap, name, plan, records, some_logs, lines, request_of, write, send, letters
):
    """As 0.2.0 has left it: the record says alpha, and alpha's exporter has the message."""
    some_logs("beta", name)
    request = request_of("beta", name)
    prefix = request.destination.prefix.replace("beta/", "alpha/", 1)
    theirs = request.model_copy(
        update={
            "source": request.source.model_copy(update={"profile": "alpha"}),
            "destination": request.destination.model_copy(update={"prefix": prefix}),
        }
    )
    write(theirs)
    send(theirs)
    tap.until(lambda: letters(theirs.source.dead_letter_queue_name) == ["wrong_source"])
    assert [each.state for each in records(name)] == ["requested"]

    assert plan("beta", name)["data"]["requested"] == 1
    tap.until(lambda: [r.state for r in records(name)] == ["secured"] and tap.idle())
    [completed] = tap.of("export.completed", name)
    assert completed["source"]["profile"] == "beta"
    assert completed["destination"]["prefix"].startswith("beta/")
    assert len(lines(completed["manifest"])) == 20
