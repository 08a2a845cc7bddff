"""What AWS asks for in us-east-1, in dollars, without free tiers and discounts for much.

Read in November 2026. AWS's pricing pages fill in their figures by script, so that a stored copy of
a page shows its rules and not its figures: those are as several descriptions of 2026 give them
alike. Compare them with the page before you rely on them.
"""

from dataclasses import dataclass

MILLION = 10**6
GB = 10**9


@dataclass(frozen=True)
class Price:
    """One price.

    Attributes:
        dollars: For one of the unit.
        per: The unit, and how AWS says it.
        page: AWS's.
        note: What to know of it; empty for nothing.
    """

    dollars: float
    per: str
    page: str
    note: str = ""


def _million(dollars: float, what: str, page: str, note: str = "") -> Price:
    return Price(dollars / MILLION, f"${dollars:.2f} a million {what}", page, note)


def _thousand(dollars: float, what: str, page: str, note: str = "") -> Price:
    return Price(dollars / 1000, f"${dollars:g} a thousand {what}", page, note)


LAMBDA = "https://aws.amazon.com/lambda/pricing/"
SQS = "https://aws.amazon.com/sqs/pricing/"
SNS = "https://aws.amazon.com/sns/pricing/"
S3 = "https://aws.amazon.com/s3/pricing/"
KMS = "https://aws.amazon.com/kms/pricing/"
CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
EVENTBRIDGE = "https://aws.amazon.com/eventbridge/pricing/"
FIREHOSE = "https://aws.amazon.com/firehose/pricing/"

LAMBDA_GB_S = Price(0.0000133334, "$0.0000133334 a GB-second, arm64", LAMBDA)
LAMBDA_INVOCATION = _million(0.20, "invocations", LAMBDA)
SQS_FIFO = _million(0.50, "requests to FIFO queues", SQS)
SQS_STANDARD = _million(0.40, "requests to standard queues", SQS)
SNS_PUBLISH = _million(0.50, "publishes", SNS, "deliveries to SQS cost nothing")
S3_WRITE = _thousand(0.005, "PUT, COPY, POST, LIST", S3)
DATA_OUT = Price(0.09, "$0.09 a GB out of AWS", S3, "within the Region nothing")
S3_READ = _thousand(0.0004, "GET, HEAD", S3, "DELETE costs nothing")
KMS_KEY = Price(1.0, "$1 a month for a key", KMS, "and for each of its first two rotations")
KMS_REQUEST = Price(0.03 / 10_000, "$0.03 for ten thousand requests", KMS)
METRIC = Price(
    0.30, "$0.30 a month for a custom metric", CLOUDWATCH, "by the hour in which it is sent"
)
ALARM = Price(0.10, "$0.10 a month for each metric of an alarm", CLOUDWATCH)
DASHBOARD = Price(3.0, "$3 a month for a dashboard", CLOUDWATCH)
METRIC_ASKED_FOR = _thousand(0.01, "metrics of GetMetricData", CLOUDWATCH)
LOGS_INGESTED = Price(0.50 / GB, "$0.50 a GB of logs taken in", CLOUDWATCH)
LOGS_SCANNED = Price(0.005 / GB, "$0.005 a GB read by queries of Logs Insights", CLOUDWATCH)
LOGS_STORED = Price(0.03 / GB, "$0.03 a month for a GB of logs, compressed", CLOUDWATCH)
S3_EVENT = _million(
    1.00,
    "events",
    EVENTBRIDGE,
    "descriptions differ in whether S3's events are among AWS's free ones; counted here as if not",
)
SCHEDULE = _million(1.00, "invocations by a schedule", EVENTBRIDGE)
FIREHOSE_GB = Price(
    0.029 / GB,
    "$0.029 a GB, Direct PUT",
    FIREHOSE,
    "each record rounded up to 5 KB, which is left out here",
)


@dataclass(frozen=True)
class StorageClass:
    """Where objects may be kept.

    Attributes:
        name: As S3 calls it.
        gb_month: Dollars a month for a GB.
        transition: Dollars to move an object there by a lifecycle rule; 0 where none is needed.
        retrieval: What reading takes.
    """

    name: str
    gb_month: float
    transition: float
    retrieval: str


STORAGE = (
    StorageClass("S3 Standard", 0.023, 0.0, "at once"),
    StorageClass("S3 Standard-IA", 0.0125, 0.01 / 1000, "at once, $0.01 a GB"),
    StorageClass("S3 Glacier Instant Retrieval", 0.004, 0.02 / 1000, "at once, $0.03 a GB"),
    StorageClass("S3 Glacier Flexible Retrieval", 0.0036, 0.03 / 1000, "hours, $0.01 a GB"),
    StorageClass("S3 Glacier Deep Archive", 0.00099, 0.05 / 1000, "12 hours, $0.02 a GB"),
)
