"""What LocalStack's KMS lacks."""
