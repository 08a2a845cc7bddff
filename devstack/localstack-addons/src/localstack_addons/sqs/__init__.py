"""What LocalStack's queues leave out."""
