"""The page docs/events.html: every message, its fields and its examples, without a script.

    python -m contracts.tools.events_page docs/events.html

Put together from asyncapi.yaml, the schemas and the examples; `make docs` writes it.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import yaml
from contracts.tests.documents import CONTRACTS, inlined

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.documents import Example, examples, newest_schema, versions
from logferry_contracts.message import CloudEvent

FROM_PAGE = "../contracts"
"""Where the contracts are, seen from docs/."""

_STYLE = """\
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem;
  padding: 0 1rem 4rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .875em; }
pre { background: var(--soft); overflow-x: auto; padding: .75rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .75rem .3rem 0; text-align: left;
  vertical-align: top; }
a, code { overflow-wrap: anywhere; }
.message { white-space: nowrap; }
nav ul { columns: 3 14rem; list-style: none; padding: 0; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
summary { cursor: pointer; padding: .25rem 0; }
.note { opacity: .75; }
"""
_SEE_ALSO = """\
<p>The same for programs: <a href="../contracts/asyncapi.yaml">asyncapi.yaml</a>, and the schemas
below. See also what <a href="delivery.md">delivery</a> promises, how a program
<a href="../contracts/README.md">reads and checks</a> a message, and what a new
<a href="../contracts/VERSIONING.md">version</a> may change.</p>"""


def page() -> str:
    """Return the page."""
    document = yaml.safe_load((CONTRACTS / "asyncapi.yaml").read_text("utf-8"))
    title = f"The messages of {document['info']['title']}"
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{_STYLE}</style>",
        "</head>",
        "<body>",
        "<header>",
        f"<h1>{escape(title)}</h1>",
        _prose(document["info"]["description"]),
        _SEE_ALSO,
        _navigation(document),
        "</header>",
        "<main>",
        *(_channel(document, name) for name in document["channels"]),
        *(_message(document, message) for message in MESSAGES),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _navigation(document: Any) -> str:
    messages = [_to_message(message) for message in MESSAGES]
    channels = [_link(f"#{name}", each["title"]) for name, each in document["channels"].items()]
    return (
        f'<nav aria-label="Contents"><h2>Messages</h2>{_list(messages)}'
        f"<h2>Channels</h2>{_list(channels)}</nav>"
    )


def _channel(document: Any, name: str) -> str:
    channel = document["channels"][name]
    rows = [
        (
            escape(operation["tags"][0]["name"]),
            "sends" if operation["action"] == "send" else "receives",
            ", ".join(_message_link(document, each["$ref"]) for each in operation["messages"]),
            _inline(operation["summary"]),
        )
        for operation in document["operations"].values()
        if operation["channel"]["$ref"] == f"#/channels/{name}"
    ]
    return _section(
        name,
        channel["title"],
        f"<p><code>{escape(channel['address'])}</code></p>",
        _prose(channel.get("description", "")),
        _table(("who", "does", "what", "why"), rows),
    )


def _message(document: Any, message: str) -> str:
    model, schema = MESSAGES[message], inlined(newest_schema(message))
    type_of = (
        f"<p>Type <code>{escape(model.TYPE)}</code></p>" if issubclass(model, CloudEvent) else ""
    )
    files = [
        _link(f"{FROM_PAGE}/schemas/{message}/{major}.{minor}.json", f"{major}.{minor}")
        for major, minor in versions(message)
    ]
    return _section(
        message,
        model.__name__,
        type_of,
        _prose(schema["description"]),
        f"<p>Schema: {', '.join(files)}</p>",
        _attributes(document, model.__name__),
        "<h3>Fields</h3>",
        _table(("field", "what it is", "rule"), map(_field_row, _fields(schema))),
        "<h3>Examples</h3>",
        *map(_example, examples("accept", message)),
        "<p>What a reader has to refuse, each for one mistake:</p>",
        _list(map(_rejected, examples("reject", message))),
    )


def _attributes(document: Any, name: str) -> str:
    headers = document["components"]["messages"].get(name, {}).get("headers")
    if headers is None:
        return ""
    declared = document["components"]["schemas"][headers["$ref"].rpartition("/")[2]]
    rows = [
        (f"<code>{escape(attribute)}</code>", _inline(each["description"]))
        for attribute, each in declared["properties"].items()
    ]
    return f"<h3>Message attributes</h3>{_table(('attribute', 'what it is'), rows)}"


def _fields(schema: Any, at: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Yield ``(path, field, whether it is required)`` for every field below a schema."""
    required = schema.get("required", ())
    for name, child in schema.get("properties", {}).items():
        path = f"{at}.{name}".removeprefix(".")
        yield path, child, name in required
        yield from _fields(child, path)
    if isinstance(schema.get("items"), dict):
        yield from _fields(schema["items"], f"{at}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _fields(schema["additionalProperties"], f"{at}.*")


def _field_row(found: tuple[str, Any, bool]) -> tuple[str, str, str]:
    path, field, is_required = found
    presence = "" if is_required else ' <span class="note">optional</span>'
    return f"<code>{escape(path)}</code>{presence}", _inline(field["description"]), _rule(field)


def _rule(field: Any) -> str:
    """Say what values a field may have."""
    if "const" in field:
        return f"<code>{escape(str(field['const']))}</code>"
    if "enum" in field:
        return " or ".join(f"<code>{escape(str(each))}</code>" for each in field["enum"])
    words = [str(field.get("type", "any"))]
    for unit, low, high in (
        ("", "minimum", "maximum"),
        ("characters", "minLength", "maxLength"),
        ("items", "minItems", "maxItems"),
    ):
        if low in field or high in field:
            bounds = f"{_number(field.get(low))} to {_number(field.get(high))} {unit}"
            words.append(bounds.strip())
    if "pattern" in field:
        words.append(f"<code>{escape(field['pattern'])}</code>")
    return ", ".join(words)


def _number(bound: int | None) -> str:
    return "any" if bound is None else f"{bound:,}"


def _example(each: Example) -> str:
    major, minor = each.version
    return (
        f'<details id="{each.message}-{each.reason}"><summary>{escape(_words(each.reason))} '
        f'<span class="note">{major}.{minor}</span></summary>'
        f'<pre tabindex="0"><code>{escape(each.text.rstrip())}</code></pre></details>'
    )


def _rejected(each: Example) -> str:
    major, minor = each.version
    path = f"{FROM_PAGE}/examples/{each.message}/{major}.{minor}/reject/{each.reason}.json"
    return _link(path, _words(each.reason))


def _words(reason: str) -> str:
    return reason.replace("-", " ")


def _message_link(document: Any, reference: str) -> str:
    """Link to the message that an operation's reference leads to, by way of its channel."""
    _, _, channel, _, name = reference.split("/")
    component = document["channels"][channel]["messages"][name]["$ref"].rpartition("/")[2]
    file = document["components"]["messages"][component]["payload"]["schema"]["$ref"]
    message = file.split("/")[1]
    return _to_message(message)


def _to_message(message: str) -> str:
    """Link to a message's section by its name, which no phone is to break in the middle."""
    return f'<a class="message" href="#{message}">{escape(MESSAGES[message].__name__)}</a>'


def _section(name: str, title: str, *parts: str) -> str:
    inside = "\n".join(part for part in parts if part)
    # A channel's title is a sentence, which has to break on a phone.
    kind = ' class="message"' if name in MESSAGES else ""
    return f'<section id="{name}">\n<h2{kind}>{escape(title)}</h2>\n{inside}\n</section>'


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def _link(address: str, text: str) -> str:
    return f'<a href="{escape(address)}">{escape(text)}</a>'


def _prose(text: str) -> str:
    return "\n".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n") if part)


def _inline(text: str) -> str:
    """Write a description's code and addresses as such."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"https://[^\s<]*[\w/]", r'<a href="\g<0>">\g<0></a>', marked)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), "utf-8")
