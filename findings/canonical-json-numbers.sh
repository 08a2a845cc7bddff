#!/usr/bin/env bash
# rfc8785, jcs, canonicaljson: one document, three canonical forms
#
# One would guess: libraries that make JSON canonical so that it can be hashed and signed make the same bytes of the same document.
# RFC 8785 has keys in the order of UTF-16 and numbers as ECMAScript prints them, which are doubles:
# https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2.3
#
# rfc8785 0.1.4 refuses an integer beyond 2^53. jcs 0.2.1 rounds it, as the RFC would have it, and says nothing: a time in nanoseconds
# that is signed is another one. canonicaljson 2.0.0 (Matrix's form) keeps it; it sorts by code points and prints floats as Python
# does, so that it differs from both others in documents without any large number.
#
# Seen:
#   {"at_ns": 1795824000000000001}
#     rfc8785: IntegerDomainError
#     jcs: {"at_ns":1795824000000000000}
#     canonicaljson: {"at_ns":1795824000000000001}
#   {"seconds": 1e-07}
#     rfc8785: {"seconds":1e-7}
#     jcs: {"seconds":1e-7}
#     canonicaljson: {"seconds":1e-07}
#   {"\ue000": 1, "\U00010000": 2}
#     rfc8785: keys U+10000 U+E000
#     jcs: keys U+10000 U+E000
#     canonicaljson: keys U+E000 U+10000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rfc8785==0.1.4 jcs==0.2.1 canonicaljson==2.0.0

cat > "$folder/seen.py" <<'PYTHON'
"""Makes three documents canonical by three libraries."""
import json
import canonicaljson, jcs, rfc8785

LIBRARIES = {
    "rfc8785": rfc8785.dumps,
    "jcs": jcs.canonicalize,
    "canonicaljson": canonicaljson.encode_canonical_json,
}
SORTED = {"\ue000": 1, "\U00010000": 2}
for title, document in (
    ('{"at_ns": 1795824000000000001}', {"at_ns": 1795824000000000001}),
    ('{"seconds": 1e-07}', {"seconds": 1e-07}),
    (r'{"\ue000": 1, "\U00010000": 2}', SORTED),
):
    print(title)
    for name, canonical in LIBRARIES.items():
        try:
            made = canonical(document).decode()
        except ValueError as error:
            print(f"  {name}: {type(error).__name__}")
            continue
        keys = " ".join(f"U+{ord(key):04X}" for key in json.loads(made)) if document is SORTED else ""
        print(f"  {name}: {'keys ' + keys if keys else made}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected='{"at_ns": 1795824000000000001}
  rfc8785: IntegerDomainError
  jcs: {"at_ns":1795824000000000000}
  canonicaljson: {"at_ns":1795824000000000001}
{"seconds": 1e-07}
  rfc8785: {"seconds":1e-7}
  jcs: {"seconds":1e-7}
  canonicaljson: {"seconds":1e-07}
{"\ue000": 1, "\U00010000": 2}
  rfc8785: keys U+10000 U+E000
  jcs: keys U+10000 U+E000
  canonicaljson: keys U+E000 U+10000'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
