"""Goes through the whole archive and the ledger for what no message was about."""
