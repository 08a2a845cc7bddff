"""What a call to AWS may raise: apart, as the SDK takes longer to import than most commands run."""

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

AWS_ERRORS = (BotoCoreError, ClientError, ResponseParserError)
"""All of it: an answer that breaks off is none of botocore's own errors."""
