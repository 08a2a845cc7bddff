#!/usr/bin/env bash
# cyclopts: a fraction is taken for a whole number, and 1.5 and 2.5 are both 2
#
# One would guess: an option that is declared `int` takes whole numbers, and `--days 2.5` is bad input, as it is to argparse. Bounds
# (`validators.Number`) hold for what was typed.
#
# cyclopts 5.5.2: text with a point in it is read as a float and rounded, half to even, so that `--days 0.5` asks for none and 1.5 days for two;
# bounds are looked at after that. Text that is beyond a double's 53 bits is another number: `9007199254740993.0` is one less. `1e3`, which is
# whole, is refused. Who pays by the day, or deletes by it, is not told. logferry's commands read whole numbers by a converter of their
# own, and a test gives each of them a fraction.
#
# Seen:
#   0.5: cyclopts 0; with gte=1 bad input; argparse bad input
#   0.6: cyclopts 1; with gte=1 1; argparse bad input
#   1.5: cyclopts 2; with gte=1 2; argparse bad input
#   2.5: cyclopts 2; with gte=1 2; argparse bad input
#   9007199254740993.0: cyclopts 9007199254740992; with gte=1 9007199254740992; argparse bad input
#   1e3: cyclopts bad input; with gte=1 bad input; argparse bad input
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet cyclopts==5.5.2

cat > "$folder/seen.py" <<'PYTHON'
"""Gives the option --days of three commands what is and what is no whole number."""
import argparse
from typing import Annotated
from cyclopts import App, CycloptsError, Parameter, validators

plain, bounded = App(), App()

@plain.default
def _plain(*, days: int):
    return days

@bounded.default
def _bounded(*, days: Annotated[int, Parameter(validator=validators.Number(gte=1))]):
    return days

def by_cyclopts(app, text):
    try:
        command, bound, _ = app.parse_args(["--days", text], exit_on_error=False, print_error=False)
    except CycloptsError:
        return "bad input"
    return command(*bound.args, **bound.kwargs)

def by_argparse(text):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--days", type=int)
    try:
        return parser.parse_args(["--days", text]).days
    except argparse.ArgumentError:
        return "bad input"

for text in ("0.5", "0.6", "1.5", "2.5", "9007199254740993.0", "1e3"):
    told = f"cyclopts {by_cyclopts(plain, text)}; with gte=1 {by_cyclopts(bounded, text)}"
    print(f"{text}: {told}; argparse {by_argparse(text)}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected="0.5: cyclopts 0; with gte=1 bad input; argparse bad input
0.6: cyclopts 1; with gte=1 1; argparse bad input
1.5: cyclopts 2; with gte=1 2; argparse bad input
2.5: cyclopts 2; with gte=1 2; argparse bad input
9007199254740993.0: cyclopts 9007199254740992; with gte=1 9007199254740992; argparse bad input
1e3: cyclopts bad input; with gte=1 bad input; argparse bad input"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
