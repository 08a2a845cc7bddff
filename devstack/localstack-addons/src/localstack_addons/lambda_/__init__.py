"""Lambda functions run from their real zips, each in a process of its own."""
