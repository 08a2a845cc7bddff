"""What LocalStack leaves out when it deploys a stack."""
