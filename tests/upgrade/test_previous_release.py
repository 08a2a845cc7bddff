"""The previous release is kept as it was."""

import hashlib
from pathlib import Path

PREVIOUS = Path(__file__).parent / "release-0.2.0"


def test_no_file_of_the_previous_release_is_changed_missing_or_added():
    kept = {
        str(path.relative_to(PREVIOUS)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("wheels", "deploy")
        for path in PREVIOUS.glob(f"{folder}/*")
    }
    lines = (PREVIOUS / "SHA256SUMS").read_text().splitlines()
    assert kept == {name: checksum for checksum, name in map(str.split, lines)}
