"""Which functions of the roles have code and a test, read from the source text.

A function has code when its ID stands as a text in the code of the agents, markets or grid (messages name the functions
that sending them carries out) or, in brackets, in the docstring of the method that does it: ``(CPO-1 to CPO-4)``. It
has a test when a test is marked ``@pytest.mark.function("ID")``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from experiments.provenance import ROOT

CODE_FOLDERS = ("agents", "markets", "grid")
_ID = r"\b(?:MR-[A-Z]+|[A-Z]+-\d+)\b"
DECLARED_IN = "agents/roles/functions.py"


def function_rows(*, with_coverage: bool = False, root: Path = ROOT) -> list[dict[str, Any]]:
    """Every function: id, role, function; with coverage also where its code and its tests stand.

    Parameters
    ----------
    with_coverage : bool
        Add ``code`` and ``test``: file names, empty = none yet.
    root : Path
        The project's folder.
    """
    from agents.roles.functions import FUNCTIONS

    rows: list[dict[str, Any]] = [{"id": i, "role": role, "function": text} for i, role, text in FUNCTIONS]
    if not with_coverage:
        return rows
    ids = {row["id"] for row in rows}
    code = code_places(ids, root)
    tests = test_places(root)
    for row in rows:
        row["code"] = ", ".join(code.get(row["id"], []))
        row["test"] = ", ".join(tests.get(row["id"], []))
    return rows


def code_places(ids: set[str], root: Path) -> dict[str, list[str]]:
    """Files of the code in which each ID stands as a text, or in brackets in the docstring of a method."""
    found: dict[str, list[str]] = {}
    for path in _sources(root, CODE_FOLDERS):
        name = path.relative_to(root).as_posix()
        if name == DECLARED_IN:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for text in sorted({*_texts(tree), *_carried_out(tree)} & ids):
            found.setdefault(text, []).append(name)
    return found


def test_places(root: Path) -> dict[str, list[str]]:
    """Test files by the IDs that their markers name."""
    found: dict[str, list[str]] = {}
    for path in _sources(root, ("tests",)):
        for text in dict.fromkeys(_marked(ast.parse(path.read_text(encoding="utf-8")))):
            found.setdefault(text, []).append(path.relative_to(root).as_posix())
    return found


def _sources(root: Path, folders: Iterable[str]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((root / folder).rglob("*.py"))


def _texts(tree: ast.Module) -> Iterator[str]:
    """Text constants of a module that are not statements of their own (docstrings are)."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def _carried_out(tree: ast.Module) -> Iterator[str]:
    """IDs in brackets in docstrings of functions and methods; ``X-1 to X-4`` names all four."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inside in re.findall(r"\(([^()]*)\)", ast.get_docstring(node) or ""):
                yield from re.findall(_ID, inside)
                for role, first, other, last in re.findall(r"([A-Z]+)-(\d+) to ([A-Z]+)-(\d+)", inside):
                    if role == other:
                        yield from (f"{role}-{k}" for k in range(int(first), int(last) + 1))


def _marked(tree: ast.Module) -> Iterator[str]:
    """IDs in calls of ``pytest.mark.function``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.function":
            yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
