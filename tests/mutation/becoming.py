"""How a mutant becomes the running code, without anything being imported anew."""

from __future__ import annotations

import functools
import gc
import importlib
import sys
import types
from typing import Any

import libcst as cst
from libcst import matchers as m

from .mutants import ROOT, Mutant, is_constant


class Unimportable(Exception):
    """With this constant the module could not even be imported."""


def apply(mutant: Mutant) -> None:
    """Changes the running code, wherever it was imported to. Raises Unimportable."""
    module = _module(mutant.file)
    if not mutant.name:
        _set_constant(module, mutant)
        return
    code = _function(module, mutant.code, mutant.name)
    found = [one for one in functions_of(mutant.file) if one.__code__.co_qualname == mutant.name]
    assert found, f"{mutant.name} is not there"
    if code.co_freevars != found[0].__code__.co_freevars:  # the only super() was left out
        code = _function(module, mutant.code + "        __class__\n", mutant.name)
    defaults = None
    if mutant.signature:
        space: dict[str, Any] = {}
        exec(_compiled(module, mutant.code), dict(vars(module)), space)
        owner, _, name = mutant.name.rpartition(".")
        defaults = getattr(space[owner], name) if owner else space[name]
    for function in found:
        function.__code__ = code
        if defaults:
            function.__defaults__, function.__kwdefaults__ = defaults.__defaults__, defaults.__kwdefaults__


def _module(file: str) -> types.ModuleType:
    return importlib.import_module(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))


@functools.cache
def functions_of(file: str) -> list[types.FunctionType]:
    """Every function of a file that is alive, also where a decorator hides it; what they remember is forgotten.

    It looks at all that there is: ask once, before there is a process for each mutant.
    """
    _module(file)
    gc.unfreeze()  # what is frozen is not among all that there is
    alive, path = gc.get_objects(), str(ROOT / file)
    found = [one for one in alive if type(one) is types.FunctionType and one.__code__.co_filename == path]
    for one in alive:
        if type(one) is functools._lru_cache_wrapper and one.__wrapped__ in found:
            one.cache_clear()
    return found


def _compiled(module: types.ModuleType, code: str) -> types.CodeType:
    future = getattr(module, "annotations", None) is annotations
    flags = annotations.compiler_flag if future else 0
    return compile(code, str(module.__file__), "exec", flags=flags, dont_inherit=True)


def _function(module: types.ModuleType, code: str, name: str) -> types.CodeType:
    found = _compiled(module, code)
    for part in name.split("."):
        found = next(one for one in found.co_consts if isinstance(one, types.CodeType) and one.co_name == part)
    return found


def _set_constant(module: types.ModuleType, mutant: Mutant) -> None:
    """Sets it, what the module makes of it further down, and the copies that other modules have imported."""
    space = vars(module)
    old = dict(space)
    _do(module, mutant.code)
    changed = {name for name in old if old[name] is not space[name]}
    below = mutant.lines[-1][1]
    whole = cst.parse_module((ROOT / mutant.file).read_text())
    for statement in whole.body:
        code = cst.Module([statement]).code
        if is_constant(statement, whole) and _line(mutant, code) > below:
            names = {one.value for one in m.findall(statement, m.Name())}
            if names & changed:
                _do(module, code)
                changed = {name for name in old if old[name] is not space[name]}
    for other in list(sys.modules.values()):
        if getattr(other, "__name__", "").startswith("django_authsignal"):
            for name in changed:
                if vars(other).get(name) is old[name]:
                    setattr(other, name, space[name])


def _do(module: types.ModuleType, code: str) -> None:
    try:
        exec(_compiled(module, code), vars(module))
    except Exception as exc:
        raise Unimportable from exc


def _line(mutant: Mutant, code: str) -> int:
    text = (ROOT / mutant.file).read_text()
    return text[: text.index(code)].count("\n") + 1
