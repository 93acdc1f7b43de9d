"""What deep code asks: `request.authsignal.require("…")`, found in the project's own source."""

import ast
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from django.apps import apps

from .doors import is_installed

LEFT_OUT = {"migrations", "tests", "test", "node_modules"}
ASKING = ("require", "arequire")


class Call(NamedTuple):
    """One call that asks."""

    action: str
    file: str
    line: int


def calls() -> list[Call]:
    """Every `….authsignal.require("code")` of the project. A code that is computed cannot be read."""
    return sorted(call for file in sources() for call in _read(file).calls)


def literals() -> set[str]:
    """Every string that the project's code writes, settings left out: what names an action somewhere."""
    return {text for file in sources() for text in _read(file).literals}


def sources() -> list[Path]:
    """The project's own files of Python: of its apps, and of what is loaded from beside them."""
    folders = {Path(config.path) for config in apps.get_app_configs() if not is_installed(config.path)}
    found = {file for folder in folders for file in folder.rglob("*.py") if not _is_left_out(file.relative_to(folder))}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py") or is_installed(file):
            continue
        if not _is_left_out(Path(Path(file).name)):  # the report may be read inside somebody's test
            found.add(Path(file))
    ours = Path(__file__).resolve().parent.parent
    return sorted(file for file in found if ours not in file.resolve().parents)


def _is_left_out(file: Path) -> bool:
    return bool(LEFT_OUT & set(file.parts)) or file.name.startswith(("test_", "conftest"))


class _Source(NamedTuple):
    """What is wanted of one file."""

    calls: tuple[Call, ...] = ()
    literals: frozenset[str] = frozenset()


def _read(file: Path) -> _Source:
    try:
        return _parsed(file, file.stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError):
        return _Source()


@lru_cache(maxsize=4096)
def _parsed(file: Path, changed: int) -> _Source:
    """Once for each version of a file: the report, the doctor and the tests of a project ask again and again."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return _Source(tuple(_calls(file, tree)), frozenset(() if _is_settings(tree) else _literals(tree)))


def _calls(file: Path, tree: ast.AST) -> Iterator[Call]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKING):
            continue
        owner, first = node.func.value, node.args[0] if node.args else None
        named = first or next((word.value for word in node.keywords if word.arg == "action"), None)
        is_gate = isinstance(owner, ast.Attribute) and owner.attr == "authsignal"
        if is_gate and isinstance(named, ast.Constant) and isinstance(named.value, str):
            yield Call(named.value, str(file), node.lineno)


def _literals(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _is_settings(tree: ast.AST) -> bool:
    targets = [target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets]
    return any(isinstance(target, ast.Name) and target.id == "AUTHSIGNAL" for target in targets)
