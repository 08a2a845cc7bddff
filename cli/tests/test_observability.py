"""The alarms and the dashboard: what they name, what they would say, and what the docs say."""

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from logferry.checkout import TEMPLATES
from logferry.services import NAMES
from logferry.template import load_template

SERVICES = TEMPLATES.parent / "services"
PARAMETERS = {
    "Name": "logferry",
    "GapHours": "25",
    "PlanWithinHours": "30",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
}
EVALUATION_RANGE_S = 7 * 86_400
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
RULE_CHARACTERS = 10_240
CHILDREN = 100
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html"""
DASHBOARD_COLUMNS = 24
METRICS_OF_A_GRAPH = 500
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html"""

type Metric = tuple[str, frozenset[str]]
"""A name and the names of its dimensions."""


def substituted(text: str) -> str:
    for name, value in PARAMETERS.items():
        text = text.replace("${" + name + "}", value)
    return text


def resources(template: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load_template((TEMPLATES / template).read_text())[
        "Resources"
    ]
    return found


def alarms() -> dict[str, dict[str, Any]]:
    """The properties of every metric alarm of every template, by its name as far as it is known."""
    return {
        substituted(resource["Properties"]["AlarmName"]["Fn::Sub"]): resource["Properties"]
        for path in TEMPLATES.glob("*.yaml")
        for resource in resources(path.name).values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def dashboard() -> dict[str, Any]:
    body = resources("observability.yaml")["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    document: dict[str, Any] = json.loads(substituted(body))
    return document


def graphs() -> list[dict[str, Any]]:
    return [each["properties"] for each in dashboard()["widgets"] if each["type"] == "metric"]


# --- what is emitted


def emitted(service: str) -> set[tuple[str, Metric]]:
    """The metrics of a service with its name, as its code adds them."""
    folder = SERVICES / service / "src" / service.replace("-", "_")
    trees = [(path.stem, ast.parse(path.read_text())) for path in folder.rglob("*.py")]
    constants = {
        target.id: node.value.value
        for _, tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    if service in {"sse-enforcer", "sealer", "recounter"}:  # they count by the metric's name
        found = {(name, frozenset({"service"})) for name in constants.values()}
    else:
        found = {
            metric for module, tree in trees for metric in added(service, module, tree, constants)
        }
    return {(service, metric) for metric in found}


def added(
    service: str, module: str, tree: ast.Module, constants: Mapping[str, str]
) -> Iterator[Metric]:
    for node in ast.walk(tree):
        names, dimension_sets = calls(service, module, node)
        for name in names:
            for text in texts(name, constants):
                for dimensions in dimension_sets(text):
                    yield text, frozenset(dimensions)


def calls(
    service: str, module: str, node: ast.AST
) -> tuple[Sequence[ast.expr | None], Callable[[str], list[set[str]]]]:
    """What a node names as metrics, and the dimensions that each of them has."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr="add_metric") | ast.Name(id="count" | "measure"),
            args=[name, *_],
        ):
            return [name], lambda text: dimensions_of(service, module, text)
        case ast.Call(func=ast.Name(id="count_by_reason"), args=[name, *_]):
            return [name], lambda _: [{"service", "reason"}]
        case ast.With(items=[ast.withitem(context_expr=ast.Call(args=[name, *_]))]):
            return [name], lambda _: [set(re.findall(r"add_dimension\('(\w+)'", ast.unparse(node)))]
        case ast.For(iter=ast.Call(func=ast.Attribute(value=ast.Dict(keys=names)))):
            return names, lambda _: [{"service"}]
    return [], lambda _: []


def texts(node: ast.expr | None, constants: Mapping[str, str]) -> list[str]:
    """What an expression may be, as far as that is text that is known."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Name(id=name) if name in constants:
            return [constants[name]]
        case ast.IfExp(body=body, orelse=orelse):
            return [*texts(body, constants), *texts(orelse, constants)]
    return []


def dimensions_of(service: str, module: str, name: str) -> list[set[str]]:
    """The exporter's metrics are of a lane, but for those of messages that are no requests."""
    if service == "planner" or module == "day_end":
        return [{"service"}]
    return [{"service", "lane"}, {"service"}] if name == "DeadLetters" else [{"service", "lane"}]


# --- what is named


def named_by_alarms() -> Iterator[tuple[str, Metric]]:
    for alarm in alarms().values():
        metrics = [
            each["MetricStat"]["Metric"]
            for each in alarm.get("Metrics", [])
            if "MetricStat" in each
        ]
        for metric in metrics or [alarm]:
            if metric["Namespace"] == "logferry":
                dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
                yield dimensions["service"], (metric["MetricName"], frozenset(dimensions))


def named_by_graphs() -> Iterator[tuple[str, Metric]]:
    for graph in graphs():
        for metric in graph["metrics"]:
            match metric:
                case ["logferry", name, *rest]:
                    pairs = [each for each in rest if isinstance(each, str)]
                    dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
                    yield dimensions["service"], (name, frozenset(dimensions))
                case [{"expression": str(text)}] if "{logferry," in text:
                    [schema] = re.findall(r"\{logferry,([^}]+)\}", text)
                    [name] = re.findall(r'MetricName="(\w+)"', text)
                    services = re.findall(r'service="([\w-]+)"', text) or ["planner"]
                    yield services[0], (name, frozenset(schema.split(",")))


def test_every_metric_that_an_alarm_or_a_graph_names_is_one_that_a_service_emits() -> None:
    there = set().union(*map(emitted, NAMES))
    by_alarms, by_graphs = set(named_by_alarms()), set(named_by_graphs())
    assert len(by_alarms) >= 9
    assert len(by_graphs) >= 30
    assert by_alarms | by_graphs <= there


def test_the_metrics_of_the_code_are_found_with_their_dimensions() -> None:
    profile = ("OverdueSeconds", frozenset({"service", "profile"}))
    assert ("planner", profile) in emitted("planner")
    assert ("exporter", profile) in emitted("exporter")
    assert ("exporter", ("DaysCompleted", frozenset({"service"}))) in emitted("exporter")
    assert ("exporter", ("DaysCompleted", frozenset({"service", "lane"}))) not in emitted(
        "exporter"
    )
    assert ("planner", ("ForecastSlotSeconds", frozenset({"service"}))) in emitted("planner")


# --- the dashboard


def test_widgets_fill_the_dashboard_without_overlapping() -> None:
    taken = set()
    for widget in dashboard()["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert taken == {(x, y) for x in range(DASHBOARD_COLUMNS) for y in range(height)}


def test_graphs_have_few_metrics_of_their_own_and_search_for_those_of_sources() -> None:
    for graph in graphs():
        assert len(graph["metrics"]) < METRICS_OF_A_GRAPH
        assert "log-sqs-" not in json.dumps(graph["metrics"])


def test_the_dashboard_shows_alarms_that_there_are() -> None:
    [shown] = [each for each in dashboard()["widgets"] if each["type"] == "alarm"]
    prefix = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:"
    names = {arn.removeprefix(prefix) for arn in shown["properties"]["alarms"]}
    of_the_hub = {name for name in alarms() if "${" not in name}
    assert names == of_the_hub - {"logferry-no-plans"} | {"logferry-archive-at-risk"}


# --- the alarms


def children() -> tuple[list[str], str]:
    found = resources("observability.yaml")
    _, parts = found["ArchiveAtRiskAlarm"]["Properties"]["AlarmRule"]["Fn::Join"]
    rules = [part.get("Fn::Sub") or part["Fn::If"][1]["Fn::Sub"] for part in parts]
    for logical_id, resource in found.items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            name = resource["Properties"]["AlarmName"]["Fn::Sub"]
            rules = [rule.replace("${" + logical_id + "}", name) for rule in rules]
    rule = substituted(" OR ".join(rules))
    return re.findall(r'ALARM\("([^"]+)"\)', rule), rule


NOTHING_LACKS = ("-errors", "-asked-again", "-windows-passed-over")
"""What is tried again, and what is passed over as it is no window of a plan."""


def test_what_is_paged_is_made_of_the_hubs_alarms_but_those_by_which_nothing_lacks() -> None:
    names, rule = children()
    of_the_hub = {name for name in alarms() if "${" not in name}
    assert set(names) == {name for name in of_the_hub if not name.endswith(NOTHING_LACKS)}
    assert len(names) <= CHILDREN
    assert len(rule.replace("logferry", "a-name-of-20-letters")) <= RULE_CHARACTERS


def test_the_hubs_own_alarms_notify_nobody_by_themselves() -> None:
    for resource in resources("observability.yaml").values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            assert "AlarmActions" not in resource["Properties"]


@pytest.mark.parametrize("template", ["observability.yaml", "exporter.yaml"])
def test_no_alarm_looks_back_further_than_it_can(template: str) -> None:
    most = load_template((TEMPLATES / template).read_text())["Parameters"]["PlanWithinHours"][
        "MaxValue"
    ]
    for alarm in alarms().values():
        if "Period" in alarm:
            periods = alarm["EvaluationPeriods"]
            assert alarm["Period"] * (most if isinstance(periods, dict) else periods) <= (
                EVALUATION_RANGE_S
            )


HOUR_S = 3600
type Hours = Mapping[int, float]
"""A metric's value in each hour that has one, in seconds."""


def gap_states(alarm: Mapping[str, Any], planned: Hours, exported: Hours, until: int) -> list[int]:
    """The hours in which a gap alarm is on, by its expression."""
    [expression] = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    assert re.fullmatch(r"[A-Za-z0-9\[\](), /]+", expression)
    threshold = float(PARAMETERS["GapHours"])
    on = []
    for hour in range(until):
        names = {
            "MAX": max,
            "FILL": lambda value, filling: filling if value is None else value,
            "planned": planned.get(hour),
            "exported": exported.get(hour),
        }
        value = eval(expression, {"__builtins__": {}}, names)  # noqa: S307  (our own template's)
        if value > threshold:
            on.append(hour)
    return on


@pytest.fixture
def gap_alarm() -> dict[str, Any]:
    found = alarms()["logferry-gap"]
    assert found["Threshold"] == {"Ref": "GapHours"}
    assert found["ComparisonOperator"] == "GreaterThanThreshold"
    assert (found["EvaluationPeriods"], found["TreatMissingData"]) == (1, "notBreaching")
    return found


DAILY: Hours = {day * 24 + 3: 3 * HOUR_S for day in range(4)}
"""A plan each day, three hours after a window is due."""


def looks(since: int, until: int) -> dict[int, float]:
    """What the exporter measures of a date that is planned at one hour and told at another."""
    return {hour: (hour - since) * HOUR_S for hour in range(since, until)}


def test_no_gap_is_seen_when_all_is_well(gap_alarm: dict[str, Any]) -> None:
    exported = {
        hour: value
        for day in range(4)
        for hour, value in looks(day * 24 + 3, day * 24 + 26).items()
    }
    assert gap_states(gap_alarm, DAILY, exported, until=96) == []


def test_a_missed_run_is_a_gap_in_the_hour_of_the_next_one(gap_alarm: dict[str, Any]) -> None:
    planned = {3: 3 * HOUR_S, 51: 27 * HOUR_S, 75: 3 * HOUR_S}
    assert gap_states(gap_alarm, planned, looks(3, 5), until=96) == [51]


def test_an_export_that_is_stuck_is_a_gap_until_its_date_is_told(gap_alarm: dict[str, Any]) -> None:
    assert gap_states(gap_alarm, DAILY, looks(3, 60), until=96) == list(range(29, 60))


@pytest.mark.parametrize(
    "name", ["logferry-no-plans", "logferry-exporter-${LowercaseProfile}-no-plan"]
)
def test_a_plan_is_missed_where_none_was_completed_for_as_long_as_it_may(name: str) -> None:
    alarm = alarms()[name]
    assert (alarm["Statistic"], alarm["Threshold"]) == ("SampleCount", 1)
    assert alarm["ComparisonOperator"] == "LessThanThreshold"
    assert (alarm["TreatMissingData"], "DatapointsToAlarm" in alarm) == ("breaching", False)
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (HOUR_S, {"Ref": "PlanWithinHours"})
    within = int(PARAMETERS["PlanWithinHours"])

    def is_on(plans: set[int], hour: int) -> bool:
        return not plans & set(range(hour - within + 1, hour + 1))

    assert [hour for hour in range(30, 96) if is_on({3, 27, 51, 75}, hour)] == []
    assert [hour for hour in range(30, 96) if is_on({3, 51, 75}, hour)] == list(range(33, 51))


@pytest.mark.parametrize("template", ["observability.yaml", "exporter.yaml"])
def test_a_plan_is_missed_only_where_a_schedule_is_enabled(template: str) -> None:
    scheduled = {
        logical_id
        for logical_id, resource in resources(template).items()
        if resource.get("Condition") == "IsScheduled"
    }
    assert scheduled <= {"NoPlansAlarm", "NoPlanAlarm"}
    assert len(scheduled) == 1
    condition = load_template((TEMPLATES / template).read_text())["Conditions"]["IsScheduled"]
    assert condition == {"Fn::Equals": [{"Ref": "ScheduleState"}, "ENABLED"]}


def test_docs_say_of_each_alarm_what_to_do() -> None:
    page = (TEMPLATES.parent / "docs" / "observability.md").read_text()
    said = set(re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE))
    names = {
        name.replace("logferry-", "…-", 1).replace("${LowercaseProfile}", "<profile>")
        for name in alarms()
    }
    assert names - said == set()
