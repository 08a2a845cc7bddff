"""AWS on a laptop: the embedded LocalStack, a small organisation and the demo."""
