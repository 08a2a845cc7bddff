"""AWS in the planner's own account, a module for each side of its permissions."""
