"""What the ledger says of each source and date, without reading all of it; and that as a page."""
