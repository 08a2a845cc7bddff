"""How a FIFO queue's message comes back to a function that gives it back."""

import io
import json
import secrets
import zipfile

from logferry.acceptance.answer import Question
from logferry.acceptance.bench import Bench
from logferry.acceptance.probe import Probe, Seen
from logferry.acceptance.probes.functions import active, created, queue_arn

VISIBILITY_S = 2
TIMEOUT_S = 30
QUEUE_VISIBILITY_S = 60
"""The queue's own, in probes.yaml."""
_CODE = f"""
import json, os, time
import boto3

def handle(event, context):
    record, sqs = event["Records"][0], boto3.client("sqs")
    sqs.change_message_visibility(
        QueueUrl=os.environ["QUEUE_URL"],
        ReceiptHandle=record["receiptHandle"],
        VisibilityTimeout={VISIBILITY_S},
    )
    told = {{"id": record["messageId"], "at": time.time()}}
    sqs.send_message(QueueUrl=os.environ["SEEN_URL"], MessageBody=json.dumps(told))
    return {{"batchItemFailures": [{{"itemIdentifier": record["messageId"]}}]}}
"""


def _upload(bench: Bench) -> dict[str, str]:
    """Put the exporter's zip with the function's code into the probes' bucket: it has the SDK."""
    s3, bucket, key = bench.client("s3"), bench.resource("Bucket"), "code/visibility.zip"
    artifacts = f"{bench.run.name}-artifacts-{bench.run.account_id}-{bench.run.region}"
    found = s3.list_objects_v2(Bucket=artifacts, Prefix="exporter/")["Contents"]
    body = s3.get_object(Bucket=artifacts, Key=found[0]["Key"])["Body"].read()
    whole = io.BytesIO(body)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("visibility.py", _CODE)
    s3.put_object(Bucket=bucket, Key=key, Body=whole.getvalue())
    return {"S3Bucket": bucket, "S3Key": key}


def _came_back(bench: Bench) -> Seen:
    """Give a message back with a short visibility, and measure when it comes again."""
    url, seen_url = bench.resource("Fifo"), bench.resource("Seen")
    function = created(
        bench,
        "visibility",
        Code=_upload(bench),
        Handler="visibility.handle",
        Environment={"Variables": {"QUEUE_URL": url, "SEEN_URL": seen_url}},
        Architectures=[bench.run.architecture],
        Timeout=TIMEOUT_S,
    )
    active(bench, function)
    uuid = _mapped(bench, function)
    sent = bench.client("sqs").send_message(
        QueueUrl=url,
        MessageBody="x",
        MessageGroupId=secrets.token_hex(4),
        MessageDeduplicationId=secrets.token_hex(8),
    )
    try:
        times = _twice(bench, seen_url, sent["MessageId"])
    finally:
        bench.client("lambda").delete_event_source_mapping(UUID=uuid)
    gap_s = times[1] - times[0]
    seen = "by the function's" if gap_s < QUEUE_VISIBILITY_S / 2 else "by the queue's"
    return seen, {"after_s": f"{gap_s:.1f}"}


def _mapped(bench: Bench, function: str) -> str:
    uuid: str = bench.client("lambda").create_event_source_mapping(
        EventSourceArn=queue_arn(bench),
        FunctionName=function,
        BatchSize=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 2},
    )["UUID"]
    return uuid


def _twice(bench: Bench, url: str, message_id: str) -> list[float]:
    """Return when the function had the message, once it had it twice."""
    sqs, times = bench.client("sqs"), set[float]()

    def look() -> list[float] | None:
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            told = json.loads(message["Body"])
            if told["id"] == message_id:
                times.add(told["at"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(times) if len(times) > 1 else None

    return bench.until("a second delivery", look)


PROBES = (
    Probe(
        Question(
            name="message-given-back",
            question="By which visibility does a message come back that a function gives back?",
            expected="by the function's",
            relies="services/exporter/src/exporter/handler.py",
            means="Each look at a task waits for the queue's whole visibility timeout: set "
            "exporter.visibility_timeout_s to little more than function_timeout_s.",
        ),
        _came_back,
    ),
)
