"""AWS as this service needs it, a module for each side of its permissions: only here is boto3."""
