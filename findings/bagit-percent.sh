#!/usr/bin/env bash
# bagit, bagit-utils: a bag that keeps to RFC 8493 is incomplete to both once a file's name has a percent sign
#
# One would guess: a bag's manifest writes a percent sign in a name as `%25`, as it writes a line feed as `%0A`, and whoever checks
# the bag reads both back: https://www.rfc-editor.org/rfc/rfc8493#section-2.1.3. Log streams may have percent signs in their names.
#
# bagit 1.9.0 writes and reads `%0A` and `%0D`, and takes every other percent sign as it is; bagit-utils 1.2.5 takes them all as they
# are. A manifest by the RFC names a file that neither finds. The other way round, bagit finds its own bag incomplete where
# a name has `%0A` in it, as text. Bags are read by all where no name has a percent sign.
#
# Seen:
#   plain.gz
#     made by bagit: "data/plain.gz", bagit finds it valid, bagit-utils finds it valid
#     by RFC 8493: "data/plain.gz", bagit finds it valid, bagit-utils finds it valid
#   load 100%.gz
#     made by bagit: "data/load 100%.gz", bagit finds it valid, bagit-utils finds it valid
#     by RFC 8493: "data/load 100%25.gz", bagit finds it incomplete, bagit-utils finds it incomplete
#   load%0Aaverage.gz
#     made by bagit: "data/load%0Aaverage.gz", bagit finds it incomplete, bagit-utils finds it valid
#     by RFC 8493: "data/load%250Aaverage.gz", bagit finds it incomplete, bagit-utils finds it incomplete
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bagit==1.9.0 bagit-utils==1.2.5

cat > "$folder/seen.py" <<'PYTHON'
"""Makes a bag of one file, and one whose manifest is as RFC 8493 has it, and has both checked."""
import hashlib, logging, sys
from pathlib import Path
import bagit, bagit_utils
logging.disable()

def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()

def verdicts(folder):
    try:
        bagit.Bag(str(folder)).validate()
        by_bagit = "valid"
    except bagit.BagValidationError:
        by_bagit = "incomplete"
    report = bagit_utils.Bag(folder, load=True).validate()
    return f"bagit finds it {by_bagit}, bagit-utils finds it {'valid' if report.valid else 'incomplete'}"

for number, name in enumerate(["plain.gz", "load 100%.gz", "load%0Aaverage.gz"]):
    folder = Path(sys.argv[1], f"bag-{number}")
    folder.mkdir()
    (folder / name).write_bytes(b"lines")
    bagit.make_bag(str(folder), checksums=["sha256"])
    manifest = folder / "manifest-sha256.txt"
    digest, _, path = manifest.read_text().strip().partition("  ")
    print(name)
    print(f'  made by bagit: "{path}", {verdicts(folder)}')
    encoded = "data/" + name.replace("%", "%25")
    tags, before = folder / "tagmanifest-sha256.txt", sha256(manifest)
    manifest.write_text(f"{digest}  {encoded}\n")
    tags.write_text(tags.read_text().replace(before, sha256(manifest)))
    print(f'  by RFC 8493: "{encoded}", {verdicts(folder)}')
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" "$folder")
echo "$found"
expected='plain.gz
  made by bagit: "data/plain.gz", bagit finds it valid, bagit-utils finds it valid
  by RFC 8493: "data/plain.gz", bagit finds it valid, bagit-utils finds it valid
load 100%.gz
  made by bagit: "data/load 100%.gz", bagit finds it valid, bagit-utils finds it valid
  by RFC 8493: "data/load 100%25.gz", bagit finds it incomplete, bagit-utils finds it incomplete
load%0Aaverage.gz
  made by bagit: "data/load%0Aaverage.gz", bagit finds it incomplete, bagit-utils finds it valid
  by RFC 8493: "data/load%250Aaverage.gz", bagit finds it incomplete, bagit-utils finds it incomplete'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
