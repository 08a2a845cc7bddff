import pytest
from services.planner.tests.fakes import log_group

from logferry_contracts.plan_request import Selection, TagFilter
from planner.selection import is_selected


def selected(name: str, *, log_group_class: str = "STANDARD", **selection: list[str]) -> bool:
    return is_selected(
        log_group(name, log_group_class=log_group_class),
        Selection.model_validate(selection),
        frozenset(),
        is_own_account=False,
    )


def test_without_a_selection_every_group_is_archived() -> None:
    assert is_selected(log_group("/app/web"), None, frozenset(), is_own_account=False)


def test_only_groups_of_a_selected_class_are_archived() -> None:
    classes = ["STANDARD", "FROZEN"]
    assert selected("/a", log_group_classes=classes)
    assert selected("/a", log_group_class="FROZEN", log_group_classes=classes)
    assert not selected("/a", log_group_class="INFREQUENT_ACCESS", log_group_classes=classes)


def test_with_tag_filters_only_tagged_groups_are_archived_as_far_as_globs_take_them() -> None:
    selection = Selection(exclude=["/debug/*"], tag_filters=[TagFilter(key="archive")])
    tagged = frozenset({log_group("/a").arn, log_group("/debug/b").arn})
    assert [
        is_selected(log_group(name), selection, tagged, is_own_account=False)
        for name in ("/a", "/debug/b", "/c")
    ] == [True, False, False]


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
    "/aws/lambda/log-sqs-dev-direct-fifoSQSConsumer",
]


@pytest.mark.parametrize("name", OWN)
def test_own_groups_are_left_out_of_the_own_account_even_when_included(name: str) -> None:
    group = log_group(name)
    everything = Selection(include=["*"])
    assert not is_selected(group, None, frozenset(), is_own_account=True)
    assert not is_selected(group, everything, frozenset(), is_own_account=True)


@pytest.mark.parametrize("name", OWN)
def test_groups_of_the_same_names_in_another_account_are_archived(name: str) -> None:
    assert is_selected(log_group(name), None, frozenset(), is_own_account=False)


def test_a_name_that_only_begins_like_an_own_one_is_archived() -> None:
    group = log_group("/aws/lambda/logferry-planner-2")
    assert is_selected(group, None, frozenset(), is_own_account=True)
