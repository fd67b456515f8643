"""House rules that no linter knows."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WORKFLOWS = ROOT / "workflows/sojourn_workflows"
FILES = sorted(
    path
    for folder in ("sojourn", "workflows", "activities", "worker")
    for path in (ROOT / folder).rglob("*.py")
)
FILE_LINES, FUNCTION_LINES = 300, 40
LONG_FILES = {
    "sojourn/errors.py": "the whole tree on one page: its classes are their messages",
}
STATEMENT = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: ast.expr | ast.stmt) -> str:
    """Return where a node stands, as `path:line`."""
    return f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"


def test_no_file_is_longer_than_300_lines() -> None:
    """A file holds one noun; the few long ones have a reason, and lose it when they shrink."""
    long = {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if len(path.read_text(encoding="utf-8").splitlines()) > FILE_LINES
    }

    assert long == set(LONG_FILES)


def docstring(node: ast.AST) -> ast.expr | None:
    """Return the node that is the docstring of another."""
    match node:
        case (
            ast.Module(body=[ast.Expr(value=ast.Constant(value=str()) as value), *_])
            | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str()) as value), *_])
            | ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str()) as value), *_])
            | ast.AsyncFunctionDef(body=[ast.Expr(value=ast.Constant(value=str()) as value), *_])
        ):
            return value
        case _:
            return None


def length(function: Function) -> int:
    """Return how many lines a function's statements take, without its signature and docstring."""
    statements = function.body[1:] if docstring(function) else function.body
    return (function.end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def test_no_function_does_more_than_40_lines() -> None:
    """A function holds one thought; its signature and docstring may take the room they need."""
    long = [
        f"{place(path, node)} {node.name}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, Function) and length(node) > FUNCTION_LINES
    ]

    assert long == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f():\n    return 1", 1),
        ('def f(\n    a,\n):\n    """Say.\n\n    More.\n    """\n    a()\n    b()', 2),
        ('def f():\n    """Say."""', 0),
    ],
)
def test_the_length_of_a_function_is_that_of_its_statements(source: str, lines: int) -> None:
    """Neither the signature nor the docstring counts."""
    (function,) = ast.parse(source).body
    assert isinstance(function, Function)

    assert length(function) == lines


def statements(module: ast.Module) -> Iterator[ast.Constant]:
    """Yield the string literals of a file that hold an SQL statement."""
    prose = {docstring(node) for node in ast.walk(module)}
    for node in ast.walk(module):
        if not isinstance(node, ast.Constant) or node in prose:
            continue
        if isinstance(node.value, str) and STATEMENT.search(node.value):
            yield node


def test_sql_stands_in_sql_files() -> None:
    """Python holds no SQL statement: each has a name and a purpose in a `.sql` file."""
    assert [place(path, node) for path in FILES for node in statements(tree(path))] == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("x = 'SELECT 1'", 1),
        ("x = f'DELETE FROM {table}'", 1),
        ("def f():\n    '''SELECT is explained here.'''", 0),
        ("x = 'please select one'", 0),
    ],
)
def test_the_search_for_sql_knows_literals_from_prose(source: str, count: int) -> None:
    """Statements are found in plain and formatted literals, and not in docstrings."""
    assert len(list(statements(ast.parse(source)))) == count


def is_fixed(call: ast.Call) -> bool:
    """Return whether a call's arguments are literals, and one of them is not zero."""
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    values = [argument.value for argument in arguments if isinstance(argument, ast.Constant)]
    return len(values) == len(arguments) and any(values)


def policies(module: ast.Module) -> Iterator[ast.expr]:
    """Yield where a file names a retry policy, or a duration that is fixed and above zero."""
    for node in ast.walk(module):
        match node:
            case ast.Name(id="RetryPolicy") | ast.Attribute(attr="RetryPolicy"):
                yield node
            case ast.Call(func=ast.Name(id="timedelta") | ast.Attribute(attr="timedelta")):
                if is_fixed(node):
                    yield node
            case _:
                pass


def test_workflows_take_timeouts_and_retry_policies_from_options() -> None:
    """`workflows/sojourn_workflows/options.py` is the one place to read and change them."""
    files = [path for path in WORKFLOWS.rglob("*.py") if path.name != "options.py"]

    assert [place(path, node) for path in files for node in policies(tree(path))] == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("call(timeout=timedelta(seconds=5))", 1),
        ("call(timeout=datetime.timedelta(0, 5))", 1),
        ("call(retry_policy=common.RetryPolicy(maximum_attempts=2))", 1),
        ("call(timeout=timedelta(seconds=state.idle))", 0),
        ("due > timedelta(0)", 0),
        ("call(**COMMIT)", 0),
    ],
)
def test_the_search_for_policies_knows_fixed_from_given(source: str, count: int) -> None:
    """A duration that comes with the input is no policy of the workflow's."""
    assert len(list(policies(ast.parse(source)))) == count


def test_imports_point_downward_only() -> None:
    """The contracts of `pyproject.toml` hold, on layers and on who may know which library."""
    roots = [ROOT, *(ROOT / folder for folder in ("workflows", "activities", "worker"))]
    command = Path(sys.executable).with_name("lint-imports")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots))}
    result = subprocess.run(
        [str(command), "--no-cache"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
