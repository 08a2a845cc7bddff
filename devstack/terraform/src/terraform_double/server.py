"""The test double itself: a provider, by Terraform's plugin protocol, that knows only its schema.

It checks nothing but what Terraform's core checks by the schema, plans what the configuration says,
and cannot apply anything. Terraform attaches to it while it runs; it is installed nowhere.
https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]  # this and the next two: only in .venv-terraform
import msgpack  # type: ignore[import-not-found]
from tf.gen import tfplugin_pb2 as protocol  # type: ignore[import-not-found]
from tf.gen import tfplugin_pb2_grpc as services

SCHEMA = Path(__file__).parents[2] / "provider_schema.json"
PROVIDER = "hashicorp/aws"
PROTOCOL_VERSION = 6
UNKNOWN = msgpack.ExtType(0, b"\0")
"""A value that is known only after it has been applied.

https://github.com/hashicorp/terraform/blob/main/docs/plugin-protocol/object-wire-format.md
"""
_NESTING = protocol.Schema.NestedBlock.NestingMode


class Provider(services.ProviderServicer):  # type: ignore[misc]  # its class is known only there
    """Answers what Terraform's core asks of a provider up to a plan."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Know a schema, as `SCHEMA` has it."""
        self._schema = schema

    def GetProviderSchema(self, _request: Any, _context: Any) -> Any:  # noqa: N802  (the protocol's)
        """Say what there is to configure."""
        return protocol.GetProviderSchema.Response(
            provider=_described(self._schema["provider"]),
            resource_schemas={
                name: _described(schema)
                for name, schema in self._schema["resource_schemas"].items()
            },
        )

    def ValidateProviderConfig(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Have nothing against it: Terraform has checked it by the schema."""
        return protocol.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Have nothing against it either."""
        return protocol.ValidateResourceConfig.Response()

    def ConfigureProvider(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Need no credentials."""
        return protocol.ConfigureProvider.Response()

    def PlanResourceChange(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Plan a new resource as it is configured."""
        block = self._schema["resource_schemas"][request.type_name]["block"]
        proposed = msgpack.unpackb(request.proposed_new_state.msgpack, ext_hook=lambda *_: UNKNOWN)
        planned = msgpack.packb(_with_unknown(block, proposed))
        return protocol.PlanResourceChange.Response(
            planned_state=protocol.DynamicValue(msgpack=planned)
        )

    def StopProvider(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Go on: the next command asks again."""
        return protocol.StopProvider.Response()


@contextmanager
def serving() -> Iterator[str]:
    """Serve, and say where, as Terraform takes it from TF_REATTACH_PROVIDERS.

    https://developer.hashicorp.com/terraform/plugin/debugging
    """
    server = grpc.server(ThreadPoolExecutor(4))
    services.add_ProviderServicer_to_server(
        Provider(json.loads(SCHEMA.read_text(encoding="utf-8"))), server
    )
    with tempfile.TemporaryDirectory() as folder:
        socket = str(Path(folder) / "provider")
        server.add_insecure_port(f"unix:{socket}")
        server.start()
        try:
            yield json.dumps({PROVIDER: _address(socket)})
        finally:
            server.stop(grace=None).wait()


def _address(socket: str) -> dict[str, Any]:
    return {
        "Protocol": "grpc",
        "ProtocolVersion": PROTOCOL_VERSION,
        "Pid": os.getpid(),
        "Test": True,  # it is not Terraform's to end
        "Addr": {"Network": "unix", "String": socket},
    }


def _described(schema: Mapping[str, Any]) -> Any:
    return protocol.Schema(version=schema["version"], block=_block(schema["block"]))


def _block(block: Mapping[str, Any]) -> Any:
    return protocol.Schema.Block(
        attributes=[
            protocol.Schema.Attribute(
                name=name, **{**attribute, "type": json.dumps(attribute["type"]).encode()}
            )
            for name, attribute in block["attributes"].items()
        ],
        block_types=[
            protocol.Schema.NestedBlock(
                type_name=name,
                block=_block(nested["block"]),
                nesting=_NESTING.Value(nested["nesting_mode"].upper()),
                min_items=nested.get("min_items", 0),
                max_items=nested.get("max_items", 0),
            )
            for name, nested in block.get("block_types", {}).items()
        ],
    )


def _with_unknown(block: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource with what AWS would decide left open."""
    return {
        name: UNKNOWN
        if value is None and block["attributes"].get(name, {}).get("computed", False)
        else value
        for name, value in values.items()
    }


if __name__ == "__main__":
    with serving() as address:
        print(address, flush=True)  # noqa: T201  # whoever started it reads it
        sys.stdin.read()  # until that one ends or closes it
