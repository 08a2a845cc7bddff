"""What LocalStack's IAM takes too long for."""
