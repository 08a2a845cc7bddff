"""S3 as strict and as telling as AWS has it, and the keys it needs."""
