"""The one thing that the statement `Sign` is for."""

import base64
from functools import cache
from typing import TYPE_CHECKING, Literal

from logferry_contracts.day_seal import NextKey
from logferry_contracts.digest import sha256
from logferry_deliveries.calls import calling
from logferry_deliveries.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

type Algorithm = Literal["ECDSA_SHA_256", "RSASSA_PSS_SHA_256"]

_ALGORITHMS: tuple[Algorithm, ...] = ("ECDSA_SHA_256", "RSASSA_PSS_SHA_256")
"""https://docs.aws.amazon.com/kms/latest/developerguide/asymmetric-key-specs.html"""

_PEM_LINE = 64
"""https://www.rfc-editor.org/rfc/rfc7468#section-2"""


class SigningKeys:
    """KMS keys that sign."""

    def __init__(self, kms: "KMSClient") -> None:
        """Sign by ``kms``."""
        self._kms = kms
        self.public = cache(self._public)

    def _public(self, arn: str) -> NextKey:
        """Return what a key is known by: the same as long as the key lives."""
        return self._described(arn)[0]

    def sign(self, arn: str, digest: bytes) -> bytes:
        """Return the signature of a SHA-256 digest."""
        algorithm = self._algorithm(arn)
        with calling("Sign", arn):
            return self._kms.sign(
                KeyId=arn, Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm
            )["Signature"]

    def _algorithm(self, arn: str) -> Algorithm:
        return self._described(arn)[1]

    def _described(self, arn: str) -> tuple[NextKey, Algorithm]:
        with calling("GetPublicKey", arn):
            found = self._kms.get_public_key(KeyId=arn)
        takes = found.get("SigningAlgorithms", [])
        algorithm = next((each for each in _ALGORITHMS if each in takes), None)
        if algorithm is None:
            raise RefusedError("wrong_key", f"{arn} signs by none of {', '.join(_ALGORITHMS)}")
        der = found["PublicKey"]
        return NextKey(id=sha256(der), arn=arn, pem=_pem(der)), algorithm


def _pem(der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = (text[at : at + _PEM_LINE] for at in range(0, len(text), _PEM_LINE))
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])
