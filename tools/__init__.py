"""What the project's own makers run."""
