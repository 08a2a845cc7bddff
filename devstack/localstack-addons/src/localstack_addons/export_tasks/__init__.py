"""CloudWatch Logs export tasks, with their pace and their ways to fail."""
