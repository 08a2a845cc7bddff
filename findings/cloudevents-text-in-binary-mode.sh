#!/usr/bin/env bash
# CloudEvents for Python: an account id that is an event's data arrives as a number, in binary mode
#
# One would guess: an event means the same in both of HTTP's content modes. Data of JSON that is a string has its quotes in the body of
# the binary mode, as in the specification's own example: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#32-examples
#
# cloudevents 2.2.0, `cloudevents.core`: a string goes into the body as it is, without quotes, and whoever receives it reads the body as JSON. What
# comes out depends on what the text looks like: an account id is a number, unless it begins with a zero, and a text that is itself JSON is
# what that says. No error is raised. `cloudevents.v1`, the former interface, which the same package still has, writes the quotes.
#
# Seen, of data read from an event in JSON, sent in binary mode and received again:
#   "111122223333": core sends 111122223333, received as int 111122223333; v1 sends "111122223333", received as str 111122223333
#   "012345678901": core sends 012345678901, received as str 012345678901; v1 sends "012345678901", received as str 012345678901
#   "null": core sends null, received as NoneType None; v1 sends "null", received as str null
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet cloudevents==2.2.0

cat > "$folder/seen.py" <<'PYTHON'
"""Takes events from structured to binary mode and back, by both interfaces of the package."""
import json
from cloudevents.core.bindings import http
from cloudevents.v1 import conversion
from cloudevents.v1.http import CloudEvent, from_http

TYPE = {"content-type": "application/cloudevents+json"}
ENVELOPE = {
    "specversion": "1.0", "id": "1", "source": "/accounts", "type": "account.joined",
    "datacontenttype": "application/json",
}

def by_core(body):
    event = http.from_structured_event(http.HTTPMessage(TYPE, body))
    sent = http.to_binary_event(event)
    return event.get_data(), sent.body, http.from_binary_event(sent).get_data()

def by_v1(body):
    event = from_http(TYPE, body)
    headers, sent = conversion.to_binary(event)
    return event.data, sent, from_http(headers, sent).data

for text in ("111122223333", "012345678901", "null"):
    body = json.dumps({**ENVELOPE, "data": text}).encode()
    told = []
    for name, interface in (("core", by_core), ("v1", by_v1)):
        read, sent, received = interface(body)
        assert read == text
        told.append(f"{name} sends {sent.decode()}, received as {type(received).__name__} {received}")
    print(f'"{text}": {"; ".join(told)}')
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected='"111122223333": core sends 111122223333, received as int 111122223333; v1 sends "111122223333", received as str 111122223333
"012345678901": core sends 012345678901, received as str 012345678901; v1 sends "012345678901", received as str 012345678901
"null": core sends null, received as NoneType None; v1 sends "null", received as str null'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
