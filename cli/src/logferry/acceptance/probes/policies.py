"""Which bucket policies S3 takes."""

import json
from typing import Any

from logferry.acceptance.answer import Question, Unanswerable
from logferry.acceptance.bench import Bench, code_of, refusal, words_of
from logferry.acceptance.probe import Probe, Seen

LIMIT_BYTES = 20 * 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"""
ORGANIZATION_ID = "o-acceptance"
"""Nobody's."""
NO_ACCOUNT = "000000000001"
"""Nobody's either, as that of an account is that was closed more than 90 days ago."""
REFUSED = "bucket MalformedPolicy, key MalformedPolicyDocumentException"


def _put(bench: Bench, statement: dict[str, Any], *, size: int = 0) -> Seen:
    """Put a policy of one statement, and say whether it was taken; it is deleted again.

    Args:
        bench: Has the bucket.
        statement: Of the policy.
        size: The length to bring it to, in bytes.
    """
    s3, bucket = bench.client("s3"), bench.resource("PolicyBucket")
    arn = f"arn:{bench.run.config.partition}:s3:::{bucket}/*"
    whole = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": arn, **statement}
    policy = {"Version": "2012-10-17", "Statement": [whole]}
    text = json.dumps(policy, separators=(",", ":"))
    if size:
        condition = {"StringEquals": {"aws:PrincipalTag/x": [""]}}
        text = json.dumps(
            {**policy, "Statement": [{**whole, "Condition": condition}]}, separators=(",", ":")
        )
        text = text.replace('[""]', f'["{"x" * (size - len(text))}"]')
    refused = refusal(lambda: s3.put_bucket_policy(Bucket=bucket, Policy=text))
    if refused is None:
        s3.delete_bucket_policy(Bucket=bucket)
        return "accepted", {}
    return code_of(refused), words_of(refused)


def _principal(bench: Bench, name: str) -> dict[str, Any]:
    run = bench.run
    arn = f"arn:{run.config.partition}:iam::{run.account_id}:{name}"
    return {"Principal": {"AWS": arn}}


def _on_key(bench: Bench, named: dict[str, Any]) -> Seen:
    """Put a statement into the probes' key's policy, and say whether it was taken."""
    kms, key = bench.client("kms"), {"KeyId": bench.resource("Key"), "PolicyName": "default"}
    before = kms.get_key_policy(**key)["Policy"]
    policy = json.loads(before)
    more = {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*", **named}
    text = json.dumps({**policy, "Statement": [*policy["Statement"], more]})
    refused = refusal(lambda: kms.put_key_policy(**key, Policy=text))
    if refused is None:
        kms.put_key_policy(**key, Policy=before)
        return "accepted", {}
    return code_of(refused), words_of(refused)


def _on_both(bench: Bench, named: dict[str, Any]) -> Seen:
    (bucket, its_words), (key, words) = _put(bench, named), _on_key(bench, named)
    said = {"bucket": its_words.get("message", bucket), "key": words.get("message", key)}
    return f"bucket {bucket}, key {key}", said


def _gone(bench: Bench) -> Seen:
    return _on_both(bench, _principal(bench, f"role/{bench.run.name}-never-was"))


def _closed(bench: Bench) -> Seen:
    arn = f"arn:{bench.run.config.partition}:iam::{NO_ACCOUNT}:root"
    return _on_both(bench, {"Principal": {"AWS": arn}})


def _size(bench: Bench) -> Seen:
    own = _principal(bench, "root")
    (below, _), (above, words) = (_put(bench, own, size=LIMIT_BYTES + more) for more in (-1, 1))
    return f"below 20 KB {below}, above {above}", words


def _public(bench: Bench) -> Seen:
    """Put what names everybody, and then those of one organisation among them."""
    everybody = {"Principal": "*"}
    plain, words = _put(bench, everybody)
    if plain == "accepted":
        raise Unanswerable(
            "BlockPublicPolicy lets a policy for everybody in: it has no effect here"
        )
    limited = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID}}}
    seen, said = _put(bench, everybody | limited)
    return seen, said or {"for everybody": words.get("message", plain)}


PROBES = (
    Probe(
        Question(
            name="policy-names-nobody",
            question="How do S3 and KMS refuse a policy that names a role that is gone?",
            expected=REFUSED,
            relies="deploy/archive.yaml",
            means="Where accepted, nothing has to be done. With another code, deploy names it less "
            "well.",
        ),
        _gone,
    ),
    Probe(
        Question(
            name="policy-names-a-closed-account",
            question="How do S3 and KMS refuse a policy that names an account that is closed?",
            expected=REFUSED,
            relies="deploy/archive.yaml",
            means="Where accepted, nothing has to be done: outside an organisation, a closed "
            "account does not block the archive's stack. With another code, deploy names it less "
            "well.",
        ),
        _closed,
    ),
    Probe(
        Question(
            name="policy-size",
            question="How long may a bucket policy be?",
            expected="below 20 KB accepted, above MalformedPolicy",
            relies="cli/src/logferry/config.py",
            means="As many sources as MAX_SOURCES do not fit, or the refusal has another name: "
            "deploy fails, and nothing is lost.",
        ),
        _size,
    ),
    Probe(
        Question(
            name="policy-of-an-organization",
            question="Does BlockPublicPolicy take Principal * with aws:PrincipalOrgID?",
            expected="accepted",
            relies="deploy/archive.yaml",
            means="The archive's stack cannot be deployed with organization_id: leave it out, up "
            "to 200 sources.",
        ),
        _public,
    ),
)
