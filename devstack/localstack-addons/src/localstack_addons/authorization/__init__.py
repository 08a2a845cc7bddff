"""IAM enforced, for the accounts that ask for it."""
