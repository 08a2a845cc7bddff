"""The operator command of logferry."""

__version__ = "0.2.0"
"""The distribution's: to read its metadata takes a fifth of the start of a command."""
