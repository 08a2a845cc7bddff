"""An answer arrives whole, in however many pieces LocalStack has it."""

import pytest

pytestmark = pytest.mark.localstack

BUCKET = "answers"


@pytest.mark.parametrize("size_bytes", [0, 1, 100_000, 5_000_001])
def test_a_body_arrives_whole(aws, account, size_bytes):
    s3, body = aws("s3"), bytes(n % 251 for n in range(size_bytes))
    bucket = f"{BUCKET}-{account}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket=bucket, Key="body", Body=body)

    answers = [s3.get_object(Bucket=bucket, Key="body") for _ in range(2)]

    assert [answer["Body"].read() for answer in answers] == [body, body]
    assert s3.head_object(Bucket=bucket, Key="body")["ContentLength"] == size_bytes
    assert s3.delete_object(Bucket=bucket, Key="body")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_a_refusal_arrives_with_its_code(aws):
    sqs = aws("sqs")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="nowhere")
