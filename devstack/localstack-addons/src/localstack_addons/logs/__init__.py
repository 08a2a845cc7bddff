"""Log groups of any age, their metrics and policies, as CloudWatch Logs has them."""
