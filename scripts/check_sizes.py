"""Fails when a module or a function of src/ is too long, or when a name says nothing about the domain.

python scripts/check_sizes.py [DIRECTORY]
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
FORBIDDEN_WORDS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "impl", "v2"}
FORBIDDEN_CLASS = re.compile(r"(Manager|Impl|Utils?|Helpers?)$")

# What is longer on purpose: the path below src/ (and "::function"), and why.
EXEMPTIONS: dict[str, str] = {}


def main() -> int:
    """The exit code: 0 when nothing is wrong."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "src"
    found = dict(find_offences(root))
    for name, text in found.items():
        if name not in EXEMPTIONS:
            print(f"{name}: {text}")
    stale = sorted(EXEMPTIONS.keys() - found.keys())
    for name in stale:
        print(f"{name}: exempted in scripts/check_sizes.py, and not too long any more")
    return 1 if stale or found.keys() - EXEMPTIONS.keys() else 0


def find_offences(root: Path) -> Iterator[tuple[str, str]]:
    """What is wrong below `root`: where, and a text."""
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        words = {word for part in path.relative_to(root).with_suffix("").parts for word in part.lower().split("_")}
        for word in sorted(words & FORBIDDEN_WORDS):
            yield f"{name} ({word})", f"{word!r} in a file's name says nothing; name what is in it"
        yield from _find_in_module(name, path.read_text(encoding="utf-8"))


def _find_in_module(name: str, text: str) -> Iterator[tuple[str, str]]:
    count = len(text.splitlines())
    if count > MAX_MODULE_LINES:
        yield name, f"{count} lines; at most {MAX_MODULE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{name}::{node.name}", f"{length} lines; at most {MAX_FUNCTION_LINES}"
        elif isinstance(node, ast.ClassDef) and FORBIDDEN_CLASS.search(node.name):
            yield f"{name}::{node.name}", "a class is named for what it is, not for managing or implementing"


if __name__ == "__main__":
    raise SystemExit(main())
