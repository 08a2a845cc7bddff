"""The operator command of logferry."""
