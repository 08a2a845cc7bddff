"""Which permissions an export needs: with all that the templates give, and with each missing."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from logferry.acceptance.answer import NotAsked, Question, Unanswerable
from logferry.acceptance.bench import ENDED, Bench, code_of
from logferry.acceptance.probe import Probe, Seen

SIDS = ("Export", "WriteToTheArchive", "EncryptInTheArchive")
"""Of the statements in deploy/source-account.yaml that an export needs."""
BUCKET_SIDS = ("LogsExport", "SourceRolesPut")
KEY_SIDS = ("CloudWatchLogsWritesToTheArchive", "SourceRolesWriteToTheArchive")
"""Of those in deploy/archive.yaml."""
NOTHING = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
TRUSTED = "AcceptanceAsks"
ACCEPTED = "accepted"
EXPECTED = "accepted with all alone"
TRIES = 4
PAUSE_S = 20
"""A changed policy is not in effect everywhere at once."""

type Statements = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Policy:
    """A policy of the archive's, as its template has it.

    Attributes:
        sids: Of the statements that an export needs.
    """

    holder: str
    sids: tuple[str, ...]
    read: Callable[[], str]
    write: Callable[[str], object]


def _role(bench: Bench) -> str:
    return f"{bench.run.name}-source"


def _statements(bench: Bench) -> list[dict[str, Any]]:
    """Return the deployed source role's statements that an export needs."""
    policy = bench.source.client("iam").get_role_policy(RoleName=_role(bench), PolicyName="export")[
        "PolicyDocument"
    ]
    return [each for each in policy["Statement"] if each["Sid"] in SIDS]


def _be_trusted(bench: Bench) -> None:
    """Let the source's account assume the source's role, which nobody but the hub may at first."""
    iam, name = bench.source.client("iam"), _role(bench)
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    root = f"arn:{bench.run.config.partition}:iam::{bench.run.source_account_id}:root"
    ours = {
        "Sid": TRUSTED,
        "Effect": "Allow",
        "Principal": {"AWS": root},
        "Action": "sts:AssumeRole",
    }
    others = [each for each in trust["Statement"] if each.get("Sid") != TRUSTED]
    iam.update_assume_role_policy(
        RoleName=name, PolicyDocument=json.dumps({**trust, "Statement": [*others, ours]})
    )


def _assumed(bench: Bench, statements: Statements) -> Any:
    """Return a client of CloudWatch Logs that has these permissions of the source's role alone.

    A session's policy takes away what it does not name.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
    """
    run, sts = bench.run, bench.source.client("sts")
    role = f"arn:{run.config.partition}:iam::{run.source_account_id}:role/{_role(bench)}"
    policy = {"Version": "2012-10-17", "Statement": list(statements) or [NOTHING]}

    def assume() -> Any:
        try:
            return sts.assume_role(
                RoleArn=role, RoleSessionName="acceptance", Policy=json.dumps(policy)
            )["Credentials"]
        except ClientError as error:
            if code_of(error) != "AccessDenied":
                raise
            return None  # who may assume it was changed a moment ago

    given = bench.until("the source's role", assume)
    return bench.source.client_of("logs", given)


def _create(bench: Bench, group: str, statements: Statements) -> str:
    """Create an export into the archive with these permissions alone; return what AWS says."""
    run, window = bench.run, bench.run.window
    logs = _assumed(bench, statements)

    def answer() -> str | None:
        try:
            task_id: str = logs.create_export_task(
                logGroupName=group,
                fromTime=window.from_ms,
                to=window.to_ms,
                destination=run.config.archive_bucket,
                destinationPrefix=f"{run.profile}/probe/permissions",
            )["taskId"]
        except logs.exceptions.LimitExceededException:
            return None
        except ClientError as error:
            return f"{code_of(error)}: {error.response['Error']['Message']}"
        return bench.until(f"export task {task_id}", lambda: _end(bench.source, task_id))

    return bench.until("the account's one export task", answer)


def _end(bench: Bench, task_id: str) -> str | None:
    """Return what became of a task: one that was accepted may fail for want of a permission."""
    status = bench.task(task_id)["status"]
    if status["code"] not in ENDED:
        return None
    is_done = status["code"] == "COMPLETED"
    return ACCEPTED if is_done else f"task {status['code']}: {status.get('message', '')}"


def _create_until(bench: Bench, group: str, statements: Statements, *, taken: bool) -> str:
    """Do the same some times, until it is taken, or refused; return what AWS said last."""
    for _ in range(TRIES - 1):
        said = _create(bench, group, statements)
        if (said == ACCEPTED) == taken:
            return said
        bench.pause(PAUSE_S)
    return _create(bench, group, statements)


def _actions(statements: Statements) -> list[str]:
    return [action for each in statements for action in _as_list(each["Action"])]


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _without(statements: Statements, action: str) -> list[dict[str, Any]]:
    left = [
        {**each, "Action": [its for its in _as_list(each["Action"]) if its != action]}
        for each in statements
    ]
    return [each for each in left if each["Action"]]


def _policies(bench: Bench) -> tuple[Policy, ...]:
    """Return the policies of the archive's bucket and of its key."""
    s3, kms, config = bench.client("s3"), bench.client("kms"), bench.run.config
    bucket, key = {"Bucket": config.archive_bucket}, {"PolicyName": "default"}

    def key_id() -> str:
        found: str = kms.describe_key(KeyId=f"alias/{config.name}")["KeyMetadata"]["KeyId"]
        return found

    return (
        Policy(
            "bucket",
            BUCKET_SIDS,
            lambda: s3.get_bucket_policy(**bucket)["Policy"],
            lambda text: s3.put_bucket_policy(**bucket, Policy=text),
        ),
        Policy(
            "key",
            KEY_SIDS,
            lambda: kms.get_key_policy(KeyId=key_id(), **key)["Policy"],
            lambda text: kms.put_key_policy(KeyId=key_id(), **key, Policy=text),
        ),
    )


def _original(bench: Bench, policy: Policy) -> str:
    """Return a policy as it was deployed, also after a run that was cut off without a statement."""
    s3, bucket = bench.client("s3"), bench.resource("Bucket")
    key = f"policies/{policy.holder}.json"
    try:
        found: str = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    except s3.exceptions.NoSuchKey:
        found = policy.read()
        s3.put_object(Bucket=bucket, Key=key, Body=found.encode())
    return found


def _without_each_statement(
    bench: Bench, group: str, statements: Statements
) -> Iterator[tuple[str, str]]:
    """Yield what AWS says with each statement of the archive's policies missing in turn."""
    for policy in _policies(bench):
        whole = _original(bench, policy)
        document = json.loads(whole)
        for sid in policy.sids:
            left = [each for each in document["Statement"] if each.get("Sid") != sid]
            policy.write(json.dumps({**document, "Statement": left}))
            try:
                said = _create_until(bench, group, statements, taken=False)
            finally:
                policy.write(whole)
            yield f"without the {policy.holder}'s {sid}", said
            _create_until(bench, group, statements, taken=True)


def _needed(bench: Bench) -> Seen:
    group = bench.source.make_group(bench.run.probe_group("permissions"))
    _be_trusted(bench)
    if _create(bench, group, ()) == ACCEPTED:
        raise Unanswerable("a session without a permission may export: they have no effect here")
    statements = _statements(bench)
    details = {"all": _create(bench, group, statements)}
    if details["all"] != ACCEPTED:
        return "refused", details
    for action in _actions(statements):
        details[f"without {action}"] = _create(bench, group, _without(statements, action))
    if bench.run.other_account_id:
        details |= dict(_without_each_statement(bench, group, statements))
    taken = [which for which, said in details.items() if said == ACCEPTED]
    seen = EXPECTED if taken == ["all"] else f"accepted: {', '.join(taken)}"
    if seen == EXPECTED and not bench.run.other_account_id:
        raise NotAsked(
            f"across accounts, which needs --source-profile of a second one; within one: {seen}",
            details,
        )
    return seen, details


PROBES = (
    Probe(
        Question(
            name="export-permissions",
            question="Does an export to another account need exactly the templates' permissions?",
            expected=EXPECTED,
            relies="deploy/source-account.yaml",
            means="Refused: a role or a policy lacks something, and every export fails; the "
            "details have AWS's words. Accepted without one: it is not needed.",
        ),
        _needed,
    ),
)
