"""What `aws cloudtrail validate-logs` is given to check: the bytes that verify checks."""
