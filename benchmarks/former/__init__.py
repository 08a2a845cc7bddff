"""How 0.2.0 did what has become faster since: what today's code is measured against."""
