from types import SimpleNamespace

import pytest

from logferry_contracts.environment import SettingsError
from sse_enforcer import handler
from sse_enforcer.exports import WORKERS

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


@pytest.fixture(autouse=True)
def _new_container(monkeypatch):
    for name in ("ARCHIVE_BUCKET", "CONTROL_BUCKET", "TOPIC_ARN", "DEAD_LETTER_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    handler.service.cache_clear()
    yield
    handler.service.cache_clear()
    handler.logger.remove_keys(["artifact"])


@pytest.fixture
def environment(monkeypatch):
    """A usable environment."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("ARCHIVE_BUCKET", "archive-bucket")
    monkeypatch.setenv("CONTROL_BUCKET", "control-bucket")
    monkeypatch.setenv("TOPIC_ARN", "arn:aws:sns:eu-west-1:111122223333:log-export-events")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/dead")


def test_an_unusable_environment_fails_every_invocation():
    for _ in range(2):
        with pytest.raises(SettingsError, match="ARCHIVE_BUCKET"):
            handler.handle({"Records": []}, CONTEXT)  # type: ignore[arg-type]


@pytest.mark.usefixtures("environment")
def test_a_container_makes_its_clients_once_with_a_connection_for_each_worker(monkeypatch):
    made = []
    client = handler.boto3.client

    def counted(name, **options):
        made.append(name)
        assert options["config"].max_pool_connections >= WORKERS
        return client(name, **options)

    monkeypatch.setattr(handler.boto3, "client", counted)

    for _ in range(2):
        assert handler.handle({"Records": []}, CONTEXT) == {"batchItemFailures": []}  # type: ignore[arg-type]
    assert made == ["s3", "sns", "ssm", "kms", "sqs"]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("key", "artifact"),
    [(f"sse-enforcer/0.2.0-1a2b3c4d5e6f{'0' * 52}.zip", "0.2.0-1a2b3c4d5e6f"), ("", None)],
)
def test_every_line_names_the_artifact_that_the_environment_tells_of(
    world, log, monkeypatch, key, artifact
):
    monkeypatch.setenv("ARTIFACT", key)
    record = {
        "messageId": "m",
        "receiptHandle": "r",
        "body": world.created("not/in/the/layout", "v1", bucket="archive-bucket"),
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    for _ in range(2):
        handler.handle({"Records": [record]}, CONTEXT)  # type: ignore[arg-type]
    assert [line.get("artifact") for line in log()] == [artifact, artifact]
