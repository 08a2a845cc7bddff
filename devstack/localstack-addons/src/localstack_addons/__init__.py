"""What LocalStack 4.14 lacks for logferry, installed into LocalStack's own process."""
