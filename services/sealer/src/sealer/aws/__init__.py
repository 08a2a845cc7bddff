"""What AWS is asked for: a module for each statement of the role."""
