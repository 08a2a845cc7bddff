"""How AWS is called: by many threads at once, and with conditions."""

from botocore.config import Config

from logferry_deliveries import calls

THREADS = 8
"""One boto3 client is bound by its own CPU time beyond that, about 3 ms a call."""

CLIENT_CONFIG = calls.CLIENT_CONFIG.merge(Config(max_pool_connections=2 * THREADS))

OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
"""S3's answers to a conditional write that came too late.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""
