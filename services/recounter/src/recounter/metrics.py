"""What the service counts."""

COUNTED = "Recounted"
NOT_COUNTED = "NotRecounted"
QUERIES = "RecountQueries"
SCANNED_BYTES = "BytesScannedByRecounts"
