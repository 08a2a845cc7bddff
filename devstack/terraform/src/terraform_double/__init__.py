"""A test double of Terraform's AWS provider: it knows the provider's schema, and calls nothing."""
