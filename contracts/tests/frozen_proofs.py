"""The proofs of version 1.0 that have to verify for ever: those of the examples, and more."""

import base64
import json

from contracts.tests.documents import CONTRACTS

FOLDER = CONTRACTS / "tests" / "frozen" / "proofs-1.0"
KEY = FOLDER / "seals.pem"
WITNESS_KEY = FOLDER / "witness.vkey"
EXAMPLES = CONTRACTS / "examples" / "proof" / "1.0" / "accept"
PROOFS = sorted(
    path for path in (*EXAMPLES.glob("*.json"), *FOLDER.glob("*.json")) if path.stem != "shown"
)
LOG_GROUPS = {
    "/aws/lambda/orders",
    "/ecs/shop",
    "/aws/rds/cluster/shop",
    "/ecs/checkout",
    "/aws/eks/blue/cluster",
}
"""All that were in the archive that they are of."""


def payload(envelope: str) -> str:
    """Return what an envelope's seal says."""
    return base64.b64decode(json.loads(envelope)["payload"]).decode()
