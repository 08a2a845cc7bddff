"""Print a witness's public key as those need it who are to believe its notes.

    python vkey.py KEY NAME

``KEY`` is the KMS key's ARN, id or alias, ``NAME`` what the witness is called in notes. Credentials
and Region are boto3's.
"""

import sys

import boto3

from logferry_contracts.witness import WitnessKey


def main(key: str, name: str) -> None:
    """Print it."""
    der = boto3.client("kms").get_public_key(KeyId=key)["PublicKey"]
    sys.stdout.write(f"{WitnessKey.from_der(name, der)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
