"""Which functions of the roles have code and a test, read from the source text.

A function has code when its ID stands as a text in the code of the agents, markets or grid (roles name the functions
they carry out), and a test when a test is marked ``@pytest.mark.function("ID")``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from experiments.provenance import ROOT

CODE_FOLDERS = ("agents", "markets", "grid")
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
    """Files of the code in which each ID stands as a text, docstrings apart."""
    found: dict[str, list[str]] = {}
    for path in _sources(root, CODE_FOLDERS):
        name = path.relative_to(root).as_posix()
        if name == DECLARED_IN:
            continue
        for text in sorted(set(_texts(ast.parse(path.read_text(encoding="utf-8")))) & ids):
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


def _marked(tree: ast.Module) -> Iterator[str]:
    """IDs in calls of ``pytest.mark.function``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.function":
            yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
