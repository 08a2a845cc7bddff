"""What the service counts."""

COUNTED = "Recounted"
NOT_COUNTED = "NotRecounted"
CORRECTED = "RecountsCorrected"
"""By a later look, which has found other events."""
QUERIES = "RecountQueries"
SCANNED_BYTES = "BytesScannedByRecounts"
