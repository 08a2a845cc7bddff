"""What LocalStack's HTTP server takes too long for."""
