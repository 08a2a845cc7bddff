import subprocess
import sys

MB = 1_000_000
PROGRAM = """
import sys
from devstack.memory import own_peak_bytes
taken = bytearray(b"x") * int(sys.argv[1])
print(own_peak_bytes())
"""


def peak_with(size_bytes: int) -> int:
    command = [sys.executable, "-c", PROGRAM, str(size_bytes)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)


def test_what_a_process_has_had_is_seen_however_large_the_one_that_began_it() -> None:
    _large = bytearray(b"x") * (200 * MB)

    small, larger = peak_with(1), peak_with(64 * MB)

    assert small < 200 * MB
    assert 60 * MB < larger - small < 70 * MB
