"""One test body, two AWS backends: moto in this process, and the embedded LocalStack.

An adapter's test asks for ``backend`` and runs twice. What a backend does not model is asserted
around where the test meets it, with the AWS page that says how it should be.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import boto3
import botocore.session
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

REGION = "eu-west-1"


@dataclass(frozen=True)
class Backend:
    """An AWS account to test against.

    Attributes:
        name: Which backend it is, for what one of them does not model.
        account_id: An account that no other LocalStack test uses; moto has one for all.
        region: The Region that clients use by default.
    """

    name: Literal["moto", "localstack"]
    account_id: str
    region: str = REGION

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of this account, as a Lambda function would make it."""
        return boto3.client(service, **options)  # type: ignore[call-overload]  # any service


@pytest.fixture(scope="session", autouse=True)
def _read_botocore_once() -> Iterator[None]:
    """Let all sessions of a process share what botocore knows of AWS's services.

    A session reads it from files of megabytes otherwise, and most tests have one of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        read_once = functools.cache(botocore.session.create_loader)
        patch.setattr(botocore.session, "create_loader", read_once)
        yield


@pytest.fixture(params=["moto", pytest.param("localstack", marks=pytest.mark.localstack)])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """An empty AWS account, once on moto and once on LocalStack.

    The environment says where AWS is, so plain ``boto3.client(...)`` reaches it too.
    """
    # boto3 keeps its default session, with the credentials of the first test that used it.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    if request.param == "moto":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws():
            yield Backend("moto", DEFAULT_ACCOUNT_ID)
    else:
        account_id = request.getfixturevalue("account")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", account_id)  # LocalStack: the key is the account
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("localstack"))
        yield Backend("localstack", account_id)
