import pytest

from localstack_addons.lambda_.states import check_function, check_mapping, check_visibility
from localstack_addons.refusals import Refusal

ARN = "arn:aws:lambda:eu-west-1:111111111111:function:one"


@pytest.mark.parametrize(
    ("state", "last_update"), [("Active", "Successful"), ("Active", "Failed"), (None, None)]
)
def test_a_function_that_is_settled_is_updated(state: str | None, last_update: str | None):
    check_function(ARN, state, last_update)


@pytest.mark.parametrize(
    ("state", "last_update", "reason"),
    [
        ("Pending", None, "currently in the following state: Pending"),
        ("Active", "InProgress", f"An update is in progress for resource: {ARN}"),
    ],
)
def test_a_function_that_is_changing_is_not_updated(
    state: str, last_update: str | None, reason: str
):
    with pytest.raises(Refusal) as refusal:
        check_function(ARN, state, last_update)
    assert (refusal.value.code, refusal.value.status) == ("ResourceConflictException", 409)
    assert refusal.value.message.endswith(reason)


@pytest.mark.parametrize("state", ["Creating", "Updating"])
def test_a_mapping_that_is_changing_is_in_use(state: str):
    with pytest.raises(Refusal, check=lambda e: e.code == "ResourceInUseException"):
        check_mapping(state, "update")


@pytest.mark.parametrize("state", ["Enabled", "Disabled", "Enabling", "Disabling", None])
def test_a_mapping_that_is_settled_is_changed(state: str | None):
    check_mapping(state, "delete")


def test_messages_must_not_come_back_while_they_are_worked_on():
    check_visibility(30, 30)
    with pytest.raises(Refusal, check=lambda e: e.code == "InvalidParameterValueException"):
        check_visibility(29, 30)
