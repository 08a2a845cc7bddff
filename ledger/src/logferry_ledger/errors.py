"""What can go wrong with what is read."""


class LogferryError(Exception):
    """What was asked for cannot go on; the message says what is wrong."""


class LedgerError(LogferryError):
    """A ledger record breaks its contract: mend the object that it names."""
