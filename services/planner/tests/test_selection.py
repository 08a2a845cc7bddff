import pytest

from logferry_contracts.plan_request import Selection
from planner.selection import is_selected


def selected(
    name: str, *, include: list[str] | None = None, exclude: list[str] | None = None
) -> bool:
    globs = {"include": include, "exclude": exclude}
    selection = Selection.model_validate({key: value for key, value in globs.items() if value})
    return is_selected(name, selection, is_own_account=False)


def test_without_a_selection_every_group_is_archived() -> None:
    assert is_selected("/app/web", None, is_own_account=False)


def test_an_empty_selection_takes_every_group() -> None:
    assert selected("/app/web")


@pytest.mark.parametrize(
    ("glob", "name", "taken"),
    [
        ("/app/*", "/app/web", True),
        ("/app/*", "/app/web/deep", True),
        ("/app/*", "/App/web", False),
        ("/app/*", "x/app/web", False),
        ("/app/web", "/app/web2", False),
        ("/app/we?", "/app/web", True),
        ("/app/we?", "/app/we", False),
        ("*", "a", True),
    ],
)
def test_an_include_matches_whole_names_with_case(glob: str, name: str, *, taken: bool) -> None:
    assert selected(name, include=[glob]) is taken


def test_one_matching_include_is_enough() -> None:
    assert selected("/b", include=["/a", "/b"])


def test_an_exclude_wins_over_an_include() -> None:
    assert selected("/app/web", include=["/app/*"], exclude=["/app/debug*"])
    assert not selected("/app/debug-1", include=["/app/*"], exclude=["/app/debug*"])


def test_an_exclude_alone_leaves_all_others() -> None:
    assert selected("/app/web", exclude=["/debug/*"])
    assert not selected("/debug/x", exclude=["/debug/*"])


OWN = [
    "/aws/lambda/logferry-planner",
    "/aws/lambda/logferry-sse-enforcer",
    "/aws/lambda/log-sqs-dev-collect-fifoSQSConsumer",
]


@pytest.mark.parametrize("name", OWN)
def test_own_groups_are_left_out_of_the_own_account_even_when_included(name: str) -> None:
    assert not is_selected(name, None, is_own_account=True)
    assert not is_selected(name, Selection(include=["*"]), is_own_account=True)


@pytest.mark.parametrize("name", OWN)
def test_groups_of_the_same_names_in_another_account_are_archived(name: str) -> None:
    assert is_selected(name, None, is_own_account=False)


def test_a_name_that_only_begins_like_an_own_one_is_archived() -> None:
    assert is_selected("/aws/lambda/logferry-planner-2", None, is_own_account=True)
