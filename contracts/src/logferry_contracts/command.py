"""The command: messages, their schemas and examples, whether a file is one, and proofs."""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from logferry_contracts import json_text
from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.documents import (
    Version,
    examples,
    for_readers,
    newest_schema,
    schema,
    schema_text,
    versions,
)
from logferry_contracts.events import parse_event
from logferry_contracts.message import CloudEvent, Message
from logferry_contracts.printing import json_document
from logferry_contracts.wire import ContractError, Reason, parse

VALID, INVALID, WRONG_USE, NOT_WHOLE = 0, 1, 2, 3
CUT_SHORT = 141
"""Exit codes. A shell has the last for what ended by SIGPIPE."""

_EXAMPLES = """\
examples:
  python -m logferry_contracts list
  python -m logferry_contracts list export-completed
  python -m logferry_contracts show export-completed 1.0
  python -m logferry_contracts show export-completed --reader
  python -m logferry_contracts example export-completed/several-streams
  python -m logferry_contracts validate event.json --json
  python -m logferry_contracts example export-failed/last-generation |
    python -m logferry_contracts validate -
  python -m logferry_contracts check-proof orders.json --key seals.pem
  python -m logferry_contracts check-proof orders.json --key seals.pem --witness-key witness.vkey
  python -m logferry_contracts check-proof orders.json --key seals.pem --object 000000.gz --json

exit codes: 0 valid, 1 not valid, 2 the command was used wrongly, 3 nothing is wrong, but not all of
a proof could be checked: no key was given, or no witness has signed it
"""
_SCHEMA_ID = re.compile(r"urn:logferry:schema:(?P<message>[a-z-]+):(?P<version>[0-9]+\.[0-9]+)")


class _UsageError(Exception):
    """The command was used wrongly: say so, and end with 2."""


@dataclass(frozen=True)
class _Judged:
    """What became of a file.

    Attributes:
        message: The contract's name, such as ``ExportCompleted``.
        reason: None when it is valid.
        problems: One ``path: rule`` each.
    """

    file: str
    message: str
    reason: Reason | None
    problems: list[str]

    @property
    def valid(self) -> bool:
        """Whether every reader has to take it."""
        return self.reason is None

    def __str__(self) -> str:
        if self.valid:
            return f"{self.file}: valid {self.message}"
        return "\n".join(
            [f"{self.file}: not a valid {self.message}", *(f"  {each}" for each in self.problems)]
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Names and reasons are in any language, which a file's encoding, as of Windows, may not be.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    work: Callable[[argparse.Namespace], int] = options.work
    try:
        code = work(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough, as `head` has. What is left is not to fail at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_SHORT
    except _UsageError as error:
        print(f"logferry_contracts: {error}", file=sys.stderr)
        if getattr(options, "json", False):
            _print_json({"error": str(error)})
        return WRONG_USE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m logferry_contracts",
        description="The messages of logferry: their schemas, their examples, and a check.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="list the messages, or the examples of one")
    listing.add_argument("message", nargs="?", metavar="MESSAGE")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(work=_list)
    show = commands.add_parser("show", help="print a JSON Schema, the newest unless told")
    show.add_argument("message", metavar="MESSAGE")
    show.add_argument("version", nargs="?", metavar="VERSION")
    show.add_argument("--reader", action="store_true", help="let unknown fields be, as a reader")
    show.set_defaults(work=_show)
    validate = commands.add_parser("validate", help="say whether files are valid messages")
    validate.add_argument("files", nargs="+", metavar="FILE", help="- is the standard input")
    validate.add_argument("--message", help="which message, where the text has no type of ours")
    validate.add_argument(
        "--exact",
        action="store_true",
        help="hold it to the very schema it names, closed, as its writer must",
    )
    validate.add_argument("--json", action="store_true", help="as JSON")
    validate.set_defaults(work=_validate)
    example = commands.add_parser("example", help="print an example that every reader must take")
    example.add_argument("name", metavar="NAME", help="such as export-completed/several-streams")
    example.set_defaults(work=_example)
    checking = commands.add_parser("check-proof", help="say what a proof shows, if it is valid")
    checking.add_argument("proof", type=Path, metavar="FILE", help="as of logferry prove")
    for name, what in (
        ("key", "a public key in PEM that you trust, from elsewhere than the proof"),
        ("witness-key", "the key of a witness that you trust"),
        ("object", "an archived object, which has to be one of those that are proven"),
    ):
        told = f"{what}; may be given again"
        checking.add_argument(f"--{name}", type=Path, action="append", default=[], help=told)
    checking.add_argument("--chain", metavar="ACCOUNT/REGION", help="what it has to be of")
    checking.add_argument("--log-group", metavar="NAME", help="what it has to be of")
    checking.add_argument("--date", metavar="DATE", help="what it has to be of")
    checking.add_argument("--json", action="store_true", help="as JSON")
    checking.set_defaults(work=_check_proof)
    return parser


def _check_proof(options: argparse.Namespace) -> int:
    try:
        from logferry_contracts import check_proof  # noqa: PLC0415  (needs an extra)
    except ModuleNotFoundError as error:
        told = "check-proof needs cryptography: pip install 'logferry-contracts[verify]'"
        raise _UsageError(told) from error
    asked = check_proof.Asked(
        proof=options.proof,
        keys=options.key,
        witness_keys=options.witness_key,
        objects=options.object,
        chain=options.chain,
        log_group_name=options.log_group,
        date=options.date,
    )
    try:
        judged = check_proof.judge(asked)
    except check_proof.BadInputError as error:
        raise _UsageError(str(error)) from error
    if options.json:
        _print_json(judged.as_json())
    else:
        print("\n".join(map(_printable, judged.lines())))
    return {"valid": VALID, "invalid": INVALID, "unchecked": NOT_WHOLE}[judged.verdict]


def _printable(line: str) -> str:
    """Escape what a terminal would obey: names are whatever somebody has called them."""
    return "".join(e if e.isprintable() else e.encode("unicode_escape").decode() for e in line)


def _list(options: argparse.Namespace) -> int:
    messages = [_known(options.message)] if options.message else list(MESSAGES)
    described = [_described(message) for message in messages]
    if options.json:
        _print_json(described)
    elif options.message:
        for verdict, names in described[0]["examples"].items():
            print(*(f"{verdict}  {name}" for name in names), sep="\n")
    else:
        rows = [
            (each["message"], ", ".join(each["versions"]), each["type"] or "-")
            for each in described
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(map(str.ljust, row, widths)).rstrip())
    return VALID


def _described(message: str) -> dict[str, Any]:
    model = MESSAGES[message]
    return {
        "message": message,
        "type": model.TYPE if issubclass(model, CloudEvent) else None,
        "description": newest_schema(message)["description"],
        "versions": [_dotted(version) for version in versions(message)],
        "examples": {
            "accept": [each.name for each in examples("accept", message)],
            "reject": [each.name for each in examples("reject", message)],
        },
    }


def _show(options: argparse.Namespace) -> int:
    message = _known(options.message)
    version = _version(message, options.version)
    if options.reader:
        _print_json(for_readers(schema(message, version)))
    else:
        sys.stdout.write(schema_text(message, version))
    return VALID


def _example(options: argparse.Namespace) -> int:
    by_name = {each.name: each for each in examples("accept")}
    sys.stdout.write(by_name[_one_of(by_name, options.name, "example")].text)
    return VALID


def _validate(options: argparse.Namespace) -> int:
    message = _known(options.message) if options.message else None
    judged = [
        _judge(file, _read(file), message=message, exact=options.exact) for file in options.files
    ]
    if options.json:
        _print_json([{**asdict(each), "valid": each.valid} for each in judged])
    else:
        for each in judged:
            print(each, file=_stream(each))
    return VALID if all(each.valid for each in judged) else INVALID


def _stream(judged: _Judged) -> TextIO:
    return sys.stdout if judged.valid else sys.stderr


def _judge(file: str, body: bytes, *, message: str | None, exact: bool) -> _Judged:
    try:
        read = parse(MESSAGES[message], body) if message else _parse_any(body)
        name = type(read).__name__
        if exact:
            _check_exactly(name, json_text.read(body))
    except ContractError as error:
        return _Judged(file, error.message_name, error.reason, error.problems)
    return _Judged(file, name, None, [])


def _parse_any(body: bytes) -> Message:
    """Read an event, or what names its schema otherwise, as a ledger record does."""
    try:
        document = json_text.read(body)
    except ValueError:
        document = None
    named = _named_schema(document)
    if named and not issubclass(MESSAGES[named[0]], CloudEvent):
        return parse(MESSAGES[named[0]], body)
    try:
        return parse_event(body)
    except ContractError as error:
        if error.reason != "unknown_type":
            raise
        problems = [*error.problems, "(the command): say which message it is with --message"]
        raise ContractError(error.message_name, problems, reason=error.reason) from error


def _check_exactly(name: str, document: Any) -> None:
    """Hold a document to the very schema that it names, or to the newest.

    Raises:
        ContractError: It breaks it, or names one that this package does not have.
    """
    try:
        from logferry_contracts.exact import differences  # noqa: PLC0415  (needs an extra)
    except ModuleNotFoundError as error:
        told = "--exact needs jsonschema: pip install 'logferry-contracts[jsonschema]'"
        raise _UsageError(told) from error
    (message,) = (each for each, model in MESSAGES.items() if model.__name__ == name)
    named = _named_schema(document)
    version = named[1] if named else versions(message)[-1]
    if version not in versions(message):
        newest = _dotted(versions(message)[-1])
        problem = f"schema: {_dotted(version)} is newer than this package's {newest}"
        raise ContractError(name, [problem])
    found = differences(message, version, document)
    if found:
        raise ContractError(name, found)


def _named_schema(document: Any) -> tuple[str, Version] | None:
    if not isinstance(document, Mapping):
        return None
    found = _SCHEMA_ID.fullmatch(str(document.get("dataschema") or document.get("schema")))
    if not found or found["message"] not in MESSAGES:
        return None
    major, minor = found["version"].split(".")
    return found["message"], (int(major), int(minor))


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise _UsageError(f"{file}: {error.strerror}") from error


def _known(message: str) -> str:
    return _one_of(MESSAGES, message, "message")


def _version(message: str, text: str | None) -> Version:
    known = {_dotted(version): version for version in versions(message)}
    return known[_one_of(known, text, f"version of {message}") if text else list(known)[-1]]


def _one_of(known: Mapping[str, object], name: str, what: str) -> str:
    if name in known:
        return name
    near = difflib.get_close_matches(name, known) or list(known)
    raise _UsageError(f"no {what} {name!r}; there is {', '.join(near)}")


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def _print_json(value: Any) -> None:
    print(json_document(value))
