"""One test body, two AWS backends: moto in this process, and the embedded LocalStack.

An adapter's test asks for ``backend`` and runs twice. What a backend does not model is asserted
around where the test meets it, with the AWS page that says how it should be.
"""

import functools
import inspect
import logging
import pickle
import string
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import boto3
import botocore.hooks
import botocore.regions
import botocore.session
import botocore.utils
import moto.backend_index
import moto.core.errors
import moto.core.models
import moto.core.responses
import moto.kms.models
import moto.sqs.models
import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from botocore.auth import SigV4Auth
from botocore.client import ClientCreator
from botocore.endpoint_provider import EndpointProvider
from botocore.hooks import EventAliaser, NodeList
from botocore.model import ServiceModel
from moto import mock_aws
from moto.backend_index import backend_url_patterns
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BaseBackend
from moto.moto_api._internal.moto_random import MotoRandom
from moto.s3.responses import S3Response

REGION = "eu-west-1"
MOSTLY_CALLED = {"cloudformation", "iam", "kms", "logs", "s3", "sns", "sqs", "ssm", "sts"}
"""The services that tests call the most, by moto's names."""


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
def _the_same_for_all_once() -> Iterator[None]:
    """Let botocore and moto find out once a process what is the same for all that a test makes.

    Most tests make a session, some clients, and an account on moto: with this for a third of the
    time, and nothing that a client sends or is answered differs but signatures.
    """
    create_loader = botocore.session.create_loader

    @functools.cache
    def read_once(search_path: str | None = None) -> Any:
        loader = create_loader(search_path)
        load = loader.load_data
        written: list[bytes] = []

        def apart(name: str) -> Any:
            if name != "_retry":
                return load(name)
            # botocore writes into these: a client of one service would change another's.
            if not written:
                written.append(pickle.dumps(load(name)))
            return pickle.loads(written[0])  # noqa: S301  written just above

        loader.load_data = apart  # type: ignore[method-assign]
        return loader

    aliased: dict[str, str] = {}
    begin = EventAliaser.__init__

    def share_aliases(self: EventAliaser, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        self._alias_name_cache = aliased  # type: ignore[attr-defined]

    providers: dict[int, tuple[EndpointProvider, Any]] = {}

    def provide_once(**options: Any) -> EndpointProvider:
        # A service's rules, which are read once and stay, so that nothing else gets their id.
        rules = options["ruleset_data"]
        if id(rules) not in providers:
            providers[id(rules)] = EndpointProvider(**options), rules
        return providers[id(rules)][0]

    with pytest.MonkeyPatch.context() as patch:
        # What botocore knows of AWS's services is in files of megabytes.
        patch.setattr(botocore.session, "create_loader", read_once)
        # Where a service is follows from rules that are read into hundreds of objects.
        patch.setattr(botocore.regions, "EndpointProvider", provide_once)
        # Shapes and errors are made of it for each client, and never changed.
        patch.setattr(ClientCreator, "_load_service_model", _service_model)
        # Each client's class is its own, as handlers add to it; what calls AWS is the same.
        patch.setattr(ClientCreator, "_create_methods", _methods)
        # Each client and session copies who is to hear of what: hundreds of places.
        patch.setattr(botocore.hooks._PrefixTrie, "__copy__", _copy_trie)  # type: ignore[attr-defined]  # noqa: SLF001
        # How events are called follows from one table of botocore's.
        patch.setattr(EventAliaser, "__init__", share_aliases)
        patch.setattr(botocore.hooks, "accepts_kwargs", _takes_keywords)
        # Some thousand patterns for calls by `requests`, of which there are none here.
        patch.setattr(moto.core.models, "RESPONSES_METHODS", [])
        patch.setattr(moto.kms.models, "generate_private_key", _private_key)
        # Which service a URL is of: moto tries the patterns of nearly two hundred until one fits.
        first = sorted(backend_url_patterns, key=lambda each: each[0] not in MOSTLY_CALLED)
        patch.setattr(moto.backend_index, "backend_url_patterns", first)
        # Which URLs are a service's: for each call to S3, moto loads its module of them twice.
        patch.setattr(BaseBackend, "urls", property(_urls))
        # Which shapes a service's errors have: moto makes them of all for each that it answers.
        errors = moto.core.errors.ErrorLookupFactory()
        patch.setattr(moto.core.errors, "ErrorLookupFactory", lambda: errors)
        # How an action or an attribute is called in Python: letter by letter, for each call.
        named = functools.cache(moto.core.responses.camelcase_to_underscores)
        patch.setattr(moto.core.responses, "camelcase_to_underscores", named)
        patch.setattr(moto.sqs.models, "camelcase_to_underscores", named)
        # A request's id: moto draws 52 letters one after the other, for each call.
        patch.setattr(MotoRandom, "get_random_string", _random_string)
        # Neither moto nor LocalStack looks at a signature, whose key takes five digests for each
        # call; whose it is, when and where stays.
        patch.setattr(SigV4Auth, "canonical_request", lambda *_: "")
        patch.setattr(SigV4Auth, "signature", lambda *_: "0" * 64)
        # Whether a bucket is in a URL's host: moto asks six times a call, by six patterns.
        patch.setattr(S3Response, "subdomain_based_buckets", staticmethod(_is_bucket_in_host))
        # A time of an answer, of which listings have the same a thousand times.
        parse = botocore.utils._parse_timestamp_with_tzinfo  # type: ignore[attr-defined]  # noqa: SLF001  its own
        patch.setattr(
            botocore.utils, "_parse_timestamp_with_tzinfo", functools.lru_cache(10_000)(parse)
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def _same_frames_shown_once() -> Iterator[None]:
    """Let each line of a traceback be put into words once a process, and each traceback once.

    To mark what failed in it, Python parses the line: most of what it costs to log an error, and
    tests log the same thousands of times. Pytest notes what services log, once more.
    """
    show = traceback.StackSummary.format_frame_summary
    shown: dict[Any, str] = {}

    def show_once(
        self: traceback.StackSummary, frame_summary: traceback.FrameSummary, **options: Any
    ) -> str:
        if frame_summary.locals:
            return show(self, frame_summary, **options)
        where = (
            frame_summary.filename,
            frame_summary.lineno,
            frame_summary.end_lineno,
            frame_summary.colno,
            frame_summary.end_colno,
            frame_summary.name,
            frame_summary.line,
            *options.items(),
        )
        if where not in shown:
            shown[where] = show(self, frame_summary, **options)
        return shown[where]

    told = LambdaPowertoolsFormatter._extract_log_exception  # noqa: SLF001  no public one

    def tell_once(self: LambdaPowertoolsFormatter, log_record: logging.LogRecord) -> Any:
        words, *more = told(self, log_record)
        log_record.exc_text = words
        return (words, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traceback.StackSummary, "format_frame_summary", show_once)
        patch.setattr(LambdaPowertoolsFormatter, "_extract_log_exception", tell_once)
        yield


_read_model = ClientCreator._load_service_model  # type: ignore[attr-defined]  # noqa: SLF001  no public one
_models: dict[int, ServiceModel] = {}


def _service_model(creator: ClientCreator, *args: Any, **options: Any) -> ServiceModel:
    model: ServiceModel = _read_model(creator, *args, **options)
    # By what was read, which stays as long as the model of it does.
    return _models.setdefault(id(model._service_description), model)  # type: ignore[attr-defined]  # noqa: SLF001


_make_methods = ClientCreator._create_methods  # type: ignore[attr-defined]  # noqa: SLF001  the same
_methods_of: dict[ServiceModel, dict[str, Any]] = {}


def _methods(creator: ClientCreator, model: ServiceModel) -> dict[str, Any]:
    if model not in _methods_of:
        _methods_of[model] = _make_methods(creator, model)
    return dict(_methods_of[model])


def _copy_trie(trie: Any) -> Any:
    """Return whom events are told to, as botocore copies it."""
    copied = type(trie)()
    copied._root = _copy_node(trie._root)  # noqa: SLF001  as itself does
    return copied


def _copy_node(node: dict[str, Any]) -> dict[str, Any]:
    told = node["values"]
    return {
        "chunk": node["chunk"],
        "children": {name: _copy_node(child) for name, child in node["children"].items()},
        "values": told and NodeList(told.first[:], told.middle[:], told.last[:]),
    }


_urls_anew = BaseBackend.urls.fget
_urls_of: dict[type[BaseBackend], Any] = {}


def _urls(backend: BaseBackend) -> Any:
    """Return what every backend of a service has."""
    if type(backend) not in _urls_of:
        _urls_of[type(backend)] = _urls_anew(backend)
    return _urls_of[type(backend)]


def _random_string(
    of: MotoRandom,
    length: int = 20,
    include_digits: bool = True,  # noqa: FBT001, FBT002  as moto calls it
    lower_case: bool = False,  # noqa: FBT001, FBT002  the same
) -> str:
    pool = string.ascii_letters + (string.digits if include_digits else "")
    drawn = "".join(of.choices(pool, k=length))
    return drawn.lower() if lower_case else drawn


_of_request = S3Response.subdomain_based_buckets


@functools.cache
def _of_host(host: str) -> bool:
    return bool(_of_request(SimpleNamespace(headers={"host": host})))


def _is_bucket_in_host(request: Any) -> bool:
    host = request.headers.get("host", request.headers.get("Host"))
    return _of_host(host) if host else bool(_of_request(request))


_new_private_key = moto.kms.models.generate_private_key
_of_symmetric_keys = functools.cache(_new_private_key)


def _private_key(key_spec: str) -> Any:
    """Return a new key pair where one is used: moto makes one of RSA for symmetric keys as well."""
    is_symmetric = key_spec == "SYMMETRIC_DEFAULT"
    return (_of_symmetric_keys if is_symmetric else _new_private_key)(key_spec)


_takes_keywords_at_length = botocore.hooks.accepts_kwargs


def _takes_keywords(handler: Callable[..., Any]) -> bool:
    """Return whether a handler takes any keyword, without its whole signature."""
    code = getattr(handler, "__code__", None)
    if code is None:
        return bool(_takes_keywords_at_length(handler))
    return bool(code.co_flags & inspect.CO_VARKEYWORDS)


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
