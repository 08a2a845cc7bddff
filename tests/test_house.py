"""How large a module and a class may be, so that somebody can hold it in their head."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_LINES, MOST_METHODS = 500, 20
SAYS_WHY = "Of more than twenty methods, as "
"""What a class begins the reason with, in its docstring."""
MODULES = [
    path
    for folder in ("services/*/src", "contracts/src", "deliveries/src", "ledger/src", "cli/src")
    for path in ROOT.glob(f"{folder}/**/*.py")
]


def test_no_module_has_too_many_lines():
    lines = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_no_class_has_too_many_methods():
    methods = {
        f"{path.relative_to(ROOT)}: {each.name}": sum(
            isinstance(it, ast.FunctionDef) for it in each.body
        )
        for path in MODULES
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.ClassDef) and SAYS_WHY not in (ast.get_docstring(each) or "")
    }
    assert {name: count for name, count in methods.items() if count > MOST_METHODS} == {}
