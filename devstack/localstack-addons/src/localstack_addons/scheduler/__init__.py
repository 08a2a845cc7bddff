"""EventBridge Scheduler's schedules fire."""
