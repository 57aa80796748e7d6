"""Mutation testing of what decides about rights, money and secrets: which small mistake in it would no test notice?

Each module below is changed in one place at a time, in memory, and its own tests run until the first fails. A change that no test
notices is a survivor: a missing test, or a change that changes nothing (docs/mutation-testing.md says which). Nothing is written
into the tree. Not a part of the suite: it takes minutes.

    python scripts/mutate.py [--json FILE] [MODULE …]
"""

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.util
import inspect
import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.main import pytest_runtestloop as run_tests

ROOT = Path(__file__).resolve().parent.parent
MEMORY_BYTES = 4 << 30
_SHOWN = 110
_WORDS_OF_A_SENTENCE = 3
_OPTIONS = ("-q", "-x", "-n", "0", "-p", "no:cacheprovider")

# A module below src/anyrouter, and the tests below tests/ that have to notice: the quickest first.
MODULES = {
    "policy/authorize": ("unit/policy/test_authorize.py", "property/test_rights.py"),
    "policy/rights": ("unit/policy/test_rights.py", "unit/policy/test_authorize.py", "property/test_rights.py"),
    "policy/network": ("unit/policy/test_network.py", "unit/policy/test_rights.py"),
    "policy/addresses": ("unit/policy/test_addresses.py",),
    "policy/byok": ("unit/policy/test_byok.py",),
    "policy/route": ("unit/policy/test_route.py", "unit/policy/test_byok.py", "property/test_routing.py"),
    "policy/budget": ("unit/policy/test_budget.py", "property/test_budgets.py"),
    "policy/charge": ("unit/policy/test_charge.py", "unit/policy/test_budget.py"),
    "policy/price": ("unit/policy/test_price.py", "property/test_price.py"),
    "policy/limit": ("unit/policy/test_limit.py", "property/test_limits.py"),
    "policy/token_limit": ("unit/policy/test_token_limit.py", "property/test_token_limits.py"),
    "policy/day_limit": ("unit/policy/test_day_limit.py",),
    "storage/vault": ("unit/storage/test_vault.py", "unit/storage/test_kek.py"),
    "storage/kek": ("unit/storage/test_kek.py", "unit/storage/test_vault.py"),
}

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_NAMES = {"any": "all", "all": "any", "min": "max", "max": "min"}
_TEXTS = {"message", "internal", "kek_id"}  # what is said, and not what is done
_UNREAD = {"annotation", "returns", "decorator_list", "bases", "type_ignores"}
_REMOVABLE = ast.If | ast.Raise | ast.Expr | ast.AugAssign | ast.Assign | ast.Delete | ast.Break | ast.Return


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module as `code` instead of what is in its file."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002 -- as it is called
        """See `importlib`."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        """See `importlib`."""

    def exec_module(self, module: ModuleType) -> None:
        """See `importlib`."""
        exec(self._code, module.__dict__)  # noqa: S102 -- what an import does


def main() -> int:
    """The exit code: 0 when the tests pass with the code as it is."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    arguments.add_argument("--json", type=Path, help="where the results are written")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as compiled:
        sys.pycache_prefix = compiled
        return _judge_all(given.modules or list(MODULES), given.json)


def _judge_all(modules: list[str], report: Path | None) -> int:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "src"))
    os.environ["CI"] = "1"  # Hypothesis draws the same examples for each mutant
    sys.dont_write_bytecode = False  # a hundred times compiled is what takes longest
    results = {}
    for name in modules:
        results[name] = result = judge(name)
        if result is None:
            print(f"{name}: its tests fail without a change")
            return 1
        print(f"{name}: {result['mutants']} mutants, {len(result['survivors'])} survivors, {result['seconds']} s", flush=True)
        for row in result["survivors"]:
            print(f"    line {row['line']}: {row['change']}", flush=True)
        if report is not None:
            report.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def judge(name: str) -> dict[str, Any] | None:
    """How the tests of a module fare with its mutants; None when they fail without any."""
    trial = Trial(name)
    started = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*_OPTIONS, *trial.tests], plugins=[trial])
    if not trial.has_passed:
        return None
    trial.run_those_of_imports()
    survivors = sorted(trial.survivors, key=lambda row: row["line"])
    mutants = trial.failed + trial.ended + len(survivors)
    counts = {"mutants": mutants, "failed": trial.failed, "ended": trial.ended, "survivors": survivors}
    return {**counts, "seconds": round(time.monotonic() - started), "tests": trial.tests}


class Trial:
    """The mutants of one module, each in a child of this process.

    What is changed inside of a function takes the place of that function's code when all is imported and collected. For what is changed
    elsewhere everything of this tree is imported anew, which takes ten times as long.
    """

    def __init__(self, name: str) -> None:
        self.path = ROOT / "src/anyrouter" / f"{name}.py"
        self.module = f"anyrouter.{name.replace('/', '.')}"
        self.tests = [f"tests/{test}" for test in MODULES[name]]
        self.tree = ast.parse(self.path.read_text(encoding="utf-8"))
        self.has_passed, self.limit_s = False, 600
        self.survivors: list[dict[str, Any]] = []
        self.failed = self.ended = 0
        functions = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        self._inside = {line for node in functions for line in range(node.body[0].lineno, (node.end_lineno or 0) + 1)}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running what was collected once: once as it is, and once for each change inside of a function."""

        def run(code: CodeType) -> int:
            _replace_code(sys.modules[self.module], _list_code(code))
            with contextlib.suppress(session.Failed):
                run_tests(session)
            return min(session.testsfailed, 1)

        started = time.monotonic()
        self.has_passed = self._run(run, self._compile()) == 0 and not session.testsfailed
        self.limit_s = 5 + int(4 * (time.monotonic() - started))
        if self.has_passed:
            self._run_all(run, is_inside=True)
        return True

    def run_those_of_imports(self) -> None:
        """The changes outside of functions."""
        files = {name: module.__file__ or "" for name, module in sys.modules.items() if hasattr(module, "__file__")}
        ours = {name for name, file in files.items() if file.startswith(f"{ROOT}/") and not file.startswith(sys.prefix)}
        for name in ours - {"__main__", __name__}:
            del sys.modules[name]

        def run(code: CodeType) -> int:
            sys.meta_path.insert(0, Mutated(self.module, self.path, code))
            return next((status for test in self.tests if (status := int(pytest.main([*_OPTIONS, test]))) != 0), 0)

        self.limit_s += 15
        self._run_all(run, is_inside=False)

    def _run_all(self, run: Callable[[CodeType], int], *, is_inside: bool) -> None:
        for line, change in mutate(self.tree):
            if (line in self._inside) is not is_inside:
                continue
            try:
                code = self._compile()
            except (SyntaxError, ValueError):
                continue
            status = self._run(run, code)
            self.failed += status > 0
            self.ended += status < 0
            if status == 0:
                self.survivors.append({"line": line, "change": change})

    def _compile(self) -> CodeType:
        return compile(ast.fix_missing_locations(self.tree), self.path, "exec")

    def _run(self, run: Callable[[CodeType], int], code: CodeType) -> int:
        """What `run` gives in a child; below 0 where that had to be ended."""
        child = os.fork()
        if child == 0:
            status = 99
            try:
                signal.alarm(self.limit_s)
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, 1)
                os.dup2(nothing, 2)
                status = run(code)
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _list_code(code: CodeType) -> dict[tuple[str, int], CodeType]:
    """All code of functions in a module's code, by name and line."""
    found = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found[constant.co_qualname, constant.co_firstlineno] = constant
            found |= _list_code(constant)
    return found


def _replace_code(module: ModuleType, codes: dict[tuple[str, int], CodeType]) -> None:
    names = [*vars(module).values(), *(row for kind in vars(module).values() if isinstance(kind, type) for row in vars(kind).values())]
    for value in names:
        if hasattr(value, "cache_clear"):
            value.cache_clear()
        function = inspect.unwrap(value.fget if isinstance(value, property) else getattr(value, "__func__", value))
        if isinstance(function, FunctionType) and function.__code__.co_filename == module.__file__:
            function.__code__ = codes[function.__code__.co_qualname, function.__code__.co_firstlineno]


def mutate(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Changes the tree in one place, yields the line and what was changed, and takes the change back."""
    for parent in list(_walk(tree)):
        for name, value in _list_fields(parent):
            if isinstance(value, list):
                yield from _shorten(parent, name, value)
                for index, node in [pair for pair in enumerate(value) if not _is_for_people(pair[1])]:
                    for other in _others(node, parent):
                        value[index] = other
                        yield _line(node, parent), f"{_show(node)} -> {_show(other)}"
                        value[index] = node
            elif isinstance(value, ast.AST):
                for other in _others(value, parent):
                    setattr(parent, name, other)
                    yield _line(value, parent), f"{_show(value)} -> {_show(other)}"
                    setattr(parent, name, value)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All that can be wrong at run time: no annotations, no decorators, no texts for people."""
    yield node
    for _, value in _list_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_for_people(child):
                yield from _walk(child)


def _list_fields(node: ast.AST) -> list[tuple[str, Any]]:
    unread = _UNREAD | {"keywords"} if isinstance(node, ast.ClassDef) else _UNREAD
    return [(name, value) for name, value in ast.iter_fields(node) if name not in unread]


def _is_for_people(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.keyword(arg=arg):
            return arg in _TEXTS
        case ast.Raise(exc=ast.Call(func=ast.Name(id=name))):
            return name != "ClientError"
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in {"message", "T", "_log", "__slots__"}
    return False


def _shorten(parent: ast.AST, name: str, items: list[ast.AST]) -> Iterator[tuple[int, str]]:
    """The list without one of its rows, where that is a mistake somebody could make."""
    rows = list(items)
    for index, node in enumerate(rows):
        if _is_for_people(node) or (isinstance(parent, ast.FunctionDef) and node is parent.body[-1] and _gives_nothing(node)):
            continue
        rest = [*rows[:index], *rows[index + 1 :]]
        is_row = (
            (name == "elts" and isinstance(getattr(parent, "ctx", None) or ast.Load(), ast.Load))
            or (isinstance(node, ast.keyword) and node.arg not in _TEXTS)
            or (name in {"values", "ifs"} and isinstance(parent, ast.BoolOp | ast.comprehension))
        )
        if name in {"body", "orelse", "finalbody"} and isinstance(node, _REMOVABLE) and not _says_only(node):
            items[:] = [*rows[:index], ast.copy_location(ast.Pass(), node), *rows[index + 1 :]]
        elif is_row:
            items[:] = rest
        else:
            continue
        yield _line(node, parent), f"without {_show(node)}"
        items[:] = rows


def _gives_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Return) and (node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None))


def _says_only(node: ast.AST) -> bool:
    match node:
        case ast.Return(value=None):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="_log")))):
            return True
    return False


def _others(node: ast.AST, parent: ast.AST) -> Iterator[ast.expr]:  # noqa: C901 -- a table: a kind of node, and what is changed in it
    """What could stand in the place of an expression by mistake."""
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in _COMPARISONS.get(type(operator), ()):
                yield _changed(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])
    elif isinstance(node, ast.BoolOp):
        yield _changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield _changed(node, op=_OPERATORS[type(node.op)]())
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Name) and node.id in _NAMES:
        yield _changed(node, id=_NAMES[node.id])
    elif isinstance(node, ast.Constant):
        yield from _other_constants(node)
    if isinstance(parent, ast.If | ast.While) and node is parent.test and not isinstance(node, ast.Compare | ast.UnaryOp):
        yield ast.copy_location(ast.UnaryOp(op=ast.Not(), operand=node), node)  # type: ignore[arg-type]
    if isinstance(parent, ast.Return) and isinstance(node, ast.expr) and not isinstance(node, ast.Constant):
        yield ast.copy_location(ast.Constant(value=None), node)


def _other_constants(node: ast.Constant) -> Iterator[ast.expr]:
    match node.value:
        case bool():
            yield _changed(node, value=not node.value)
        case int():
            yield _changed(node, value=node.value + 1)
            yield _changed(node, value=node.value - 1)
        case str() if node.value.count(" ") < _WORDS_OF_A_SENTENCE:
            yield _changed(node, value=f"{node.value}?")
        case bytes():
            yield _changed(node, value=node.value + b"?")


def _changed(node: ast.expr, **fields: object) -> ast.expr:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _line(node: ast.AST, parent: ast.AST) -> int:
    return getattr(node, "lineno", None) or getattr(parent, "lineno", 0)


def _show(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


if __name__ == "__main__":
    raise SystemExit(main())
