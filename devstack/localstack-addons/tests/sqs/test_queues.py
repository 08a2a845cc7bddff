from localstack_addons.sqs.queues import moved


def test_a_message_that_is_moved_is_a_new_one_with_the_same_content():
    message = {
        "MessageId": "before",
        "Body": "one",
        "MessageAttributes": {"reason": {"StringValue": "why"}},
        "Attributes": {
            "SentTimestamp": "1",
            "ApproximateReceiveCount": "3",
            "ApproximateFirstReceiveTimestamp": "2",
            "MessageGroupId": "g",
        },
    }
    assert moved(message, "after", 5) == {
        "MessageId": "after",
        "Body": "one",
        "MessageAttributes": {"reason": {"StringValue": "why"}},
        "Attributes": {"SentTimestamp": "5", "MessageGroupId": "g"},
    }
    assert message["MessageId"] == "before"
