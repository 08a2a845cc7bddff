"""Which KMS key an object is to be under, and whether a key can be used for that.

One SSM parameter names the archive's key. A parameter below it, ``<parameter>/<prefix>``, names
another one for the objects whose keys begin with ``<prefix>/``; the longest such prefix wins.
SSM takes no ``!``: what is below ``<profile>/!/`` has its parameters at ``<parameter>/<profile>.``,
which is no profile's name, and where these name no key, those of ``<parameter>/<profile>``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from logferry_deliveries.errors import KmsKeyError

_KEY_ARN = re.compile(
    r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):(?P<account_id>[0-9]{12}):key/[A-Za-z0-9-]+"
)
_ALIAS = re.compile(r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?alias/.*")
_KEY_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32}")

_EXAMPLE = "arn:aws:kms:<region>:<account id>:key/<key id>"

_MEND_BY_STATE = {
    "Disabled": "enable it with: aws kms enable-key --key-id {arn}",
    "PendingDeletion": "keep it with: aws kms cancel-key-deletion --key-id {arn}; then enable it",
}


@dataclass(frozen=True)
class KeyParameter:
    """An SSM parameter that names a key.

    Attributes:
        type: ``String``, ``StringList`` or ``SecureString``.
    """

    name: str
    value: str
    type: str = "String"


@dataclass(frozen=True, kw_only=True)
class KeyScheme:
    """Where the names of keys are, and which keys S3 takes for the archive bucket.

    Attributes:
        parameter: The name of the SSM parameter that names the archive's key.
        account_id: The account of the archive bucket.
        region: Its Region.
    """

    parameter: str
    account_id: str
    region: str


@dataclass(frozen=True)
class KmsKey:
    """A key as KMS describes it.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
    """

    state: str
    spec: str


def parameter_for(
    object_key: str, base_name: str, parameters: Mapping[str, KeyParameter]
) -> KeyParameter:
    """Return the parameter that names an object's key, out of all parameters by their names.

    Raises:
        KmsKeyError: There is none.
    """
    for folders in _ways(object_key.split("/")[:-1]):
        for depth in range(len(folders), 0, -1):
            name = "/".join([base_name, *folders[:depth]])
            if name in parameters:
                return parameters[name]
    if base_name not in parameters:
        raise KmsKeyError(
            f"SSM parameter {base_name} is missing: put the ARN of the archive's KMS key into it, "
            f"as a String such as {_EXAMPLE}"
        )
    return parameters[base_name]


def _ways(folders: list[str]) -> list[list[str]]:
    """Return the folders of a key as parameters' names have them, the one that counts first."""
    match folders:
        case [profile, "!", *names]:
            return [[f"{profile}.", *names], [profile, *names]]
    return [folders]


def check_value(parameter: KeyParameter, scheme: KeyScheme) -> None:
    """Make sure that a parameter has the ARN of a key that S3 takes for the archive bucket.

    S3 takes neither a key id nor an alias for UpdateObjectEncryption, only keys of the bucket
    owner's account, and only of the bucket's Region.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/update-sse-encryption.html

    Raises:
        KmsKeyError: It has not; names the parameter, its value and what to do.
    """
    value = parameter.value
    if parameter.type != "String":
        raise _wrong(parameter, f"is a {parameter.type}", "make it a String: an ARN is no secret")
    if _ALIAS.fullmatch(value) or _KEY_ID.fullmatch(value):
        raise _wrong(
            parameter,
            "is an alias, which may come to mean another key"
            if "alias/" in value
            else "is a key id, which means another key in another account",
            f"put the ARN that this prints: aws kms describe-key --key-id {value} "
            "--query KeyMetadata.Arn --output text",
        )
    found = _KEY_ARN.fullmatch(value)
    if found is None:
        raise _wrong(parameter, "is not the ARN of a KMS key", f"put one such as {_EXAMPLE}")
    if found["region"] != scheme.region:
        raise _wrong(
            parameter,
            f"is a key in {found['region']}, and the archive is in {scheme.region}",
            f"put the ARN of a key in {scheme.region}",
        )
    if found["account_id"] != scheme.account_id:
        raise _wrong(
            parameter,
            f"is a key of account {found['account_id']}, and the archive is in {scheme.account_id}",
            f"put the ARN of a key of {scheme.account_id}",
        )


def check_key(parameter: KeyParameter, key: KmsKey | None) -> None:
    """Make sure that a parameter's key can encrypt; ``key`` is None when there is no such key.

    Raises:
        KmsKeyError: It cannot; names the parameter, its value and what to do.
    """
    if key is None:
        raise _wrong(parameter, "is a key that does not exist", "put the ARN of one that does")
    if key.spec != "SYMMETRIC_DEFAULT":
        raise _wrong(
            parameter,
            f"is a key of spec {key.spec}",
            "put the ARN of a symmetric encryption key",
        )
    if key.state != "Enabled":
        mend = _MEND_BY_STATE.get(key.state, "put the ARN of a key that is enabled")
        raise _wrong(parameter, f"is a key in state {key.state}", mend.format(arn=parameter.value))


def _wrong(parameter: KeyParameter, what: str, mend: str) -> KmsKeyError:
    return KmsKeyError(f"SSM parameter {parameter.name}: {parameter.value!r} {what}; {mend}")
