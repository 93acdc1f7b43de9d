"""The mutants of one file.

The operators are mutmut's, less those that only change what people read, plus three for guards: a condition that is
never true, an operand of `and` or `or` left out, a call or a `raise` left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from typing import Any

import libcst as cst
from libcst import matchers as m
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation import mutators
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """One change. `name` is a function's or a method's, or "" for a constant of the module, whose name is `code`'s."""

    file: str
    number: int
    name: str
    lines: tuple[tuple[int, int], ...]  # of what is changed, then of what holds it: for finding tests
    code: str  # the function (or the constant) as it is now, its class around it
    diff: str
    signature: bool = False

    @property
    def id(self) -> str:
        return f"{self.file}:{self.number}"


# Operators


def _prose(node: cst.CSTNode) -> bool:
    """What people read: a text with a space in it."""
    found = m.findall(node, m.SimpleString() | m.FormattedStringText() | m.ConcatenatedString())
    return isinstance(node, cst.BaseString) and any(" " in getattr(one, "value", " ") for one in found)


def _strings(node: cst.BaseString) -> Iterable[cst.CSTNode]:
    return () if _prose(node) else islice(mutators.operator_string(node), 1)


def _arguments(node: cst.Call) -> Iterable[cst.CSTNode]:
    for index, argument in enumerate(node.args):
        if _prose(argument.value):
            continue
        if not argument.star and not m.matches(argument.value, m.Name("None")):
            none = argument.with_changes(value=cst.Name("None"))
            yield node.with_changes(args=[*node.args[:index], none, *node.args[index + 1 :]])
        if len(node.args) > 1:
            yield node.with_changes(args=[*node.args[:index], *node.args[index + 1 :]])


def _assignment(node: cst.Assign | cst.AnnAssign) -> Iterable[cst.CSTNode]:
    return () if node.value is None or _prose(node.value) else mutators.operator_assignment(node)


def _never(node: cst.If) -> Iterable[cst.CSTNode]:
    yield node.with_changes(test=cst.Name("False"), whitespace_before_test=cst.SimpleWhitespace(" "))


def _operands(node: cst.BooleanOperation) -> Iterable[cst.CSTNode]:
    for kept in (node.left, node.right):
        yield kept.with_changes(lpar=[*node.lpar, *kept.lpar], rpar=[*kept.rpar, *node.rpar])


_TYPE = m.Subscript() | m.Call(func=m.Name("TypeVar"))
_CALL = m.Call() | m.Await(m.Call()) | m.Yield()
_LEFT_OUT = m.SimpleStatementLine(body=[m.Expr(_CALL) | m.Raise()])


def _statements(node: cst.SimpleStatementLine) -> Iterable[cst.CSTNode]:
    if m.matches(node, _LEFT_OUT):
        yield node.with_changes(body=[cst.Pass()])


_OURS: dict[Any, Any] = {
    mutators.operator_string: _strings,
    mutators.operator_arg_removal: _arguments,
    mutators.operator_assignment: _assignment,
}
OPERATORS: Any = [
    *((kind, _OURS.get(operator, operator)) for kind, operator in mutators.mutation_operators),
    (cst.If, _never),
    (cst.BooleanOperation, _operands),
    (cst.SimpleStatementLine, _statements),
]


class _Visitor(MutationVisitor):
    """As mutmut's, into decorated functions as well; what the log says is left alone."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if m.matches(node, m.Call(func=m.Attribute(value=m.Name("logger")))):
            return True
        if m.matches(node, m.SimpleStatementLine(body=[m.Expr(m.Call(func=m.Attribute(value=m.Name("logger"))))])):
            return True
        if isinstance(node, cst.FunctionDef):
            return False
        return super()._skip_node_and_children(node)


def mutants_of(file: str) -> Iterator[Mutant]:
    """All of them, in the order of the file."""
    source = (ROOT / file).read_text()
    wrapper = MetadataWrapper(cst.parse_module(source))
    visitor = _Visitor(OPERATORS, IgnoredCode(set(), set(), set()))
    wrapper.visit(visitor)
    positions, parents = wrapper.resolve(PositionProvider), wrapper.resolve(ParentNodeProvider)
    number = 0
    for one in visitor.mutations:
        chain = list(_upwards(one.original_node, parents))
        holder = next((node for node in chain if _holds(node, parents)), None)
        if holder is None or not (isinstance(holder, cst.FunctionDef) or is_constant(holder, parents[holder])):
            continue
        number += 1
        lines = []
        for node in chain[: chain.index(holder) + 1]:
            where = positions.get(node.test if isinstance(node, cst.If | cst.While) else node)
            if where:
                lines.append((where.start.line, where.end.line))
        changed: Any = holder.deep_replace(one.original_node, one.mutated_node)
        owner = parents.get(parents[holder]) if isinstance(holder, cst.FunctionDef) else None
        name = holder.name.value if isinstance(holder, cst.FunctionDef) else ""
        if isinstance(owner, cst.ClassDef):
            name = f"{owner.name.value}.{name}"
        yield Mutant(
            file,
            number,
            name,
            tuple(lines),
            _code(changed, owner),
            _diff(holder, changed),
            isinstance(holder, cst.FunctionDef) and not holder.params.deep_equals(changed.params),
        )


def unchanged(file: str) -> Mutant:
    """The file's first function as it is, or its last constant where it has none: no test may object to that."""
    body = cst.parse_module((ROOT / file).read_text()).body
    found = next((one for one in body if isinstance(one, cst.FunctionDef)), body[-1])
    name = found.name.value if isinstance(found, cst.FunctionDef) else ""
    return Mutant(file, 0, name, ((1, 10**6),), _code(found, None), "")


def _upwards(node: cst.CSTNode, parents: Any) -> Iterator[cst.CSTNode]:
    while node:
        yield node
        node = parents.get(node)


def _holds(node: cst.CSTNode, parents: Any) -> bool:
    """True for what is changed as a whole: a statement of the module, a method of a class."""
    parent = parents.get(node)
    if isinstance(parent, cst.Module):
        return not isinstance(node, cst.ClassDef)
    owner = parents.get(parent)
    return isinstance(owner, cst.ClassDef) and isinstance(parents.get(owner), cst.Module) and parent is owner.body


def is_constant(node: cst.CSTNode, parent: cst.CSTNode) -> bool:
    if not isinstance(parent, cst.Module) or not m.matches(node, m.SimpleStatementLine()):
        return False
    if not isinstance(node.body[0], cst.Assign | cst.AnnAssign) or m.matches(node.body[0].value, _TYPE):
        return False
    return "logger" not in _code(node, None).partition("=")[0]


def _code(node: Any, owner: Any) -> str:
    if isinstance(node, cst.FunctionDef):
        node = node.with_changes(decorators=(), leading_lines=())
    if isinstance(owner, cst.ClassDef):
        body = owner.body.with_changes(body=[node])
        node = owner.with_changes(bases=(), keywords=(), decorators=(), leading_lines=(), body=body)
    return cst.Module([node]).code


def _diff(old: Any, new: Any) -> str:
    before, after = (cst.Module([one]).code.strip().splitlines() for one in (old, new))
    lines = unified_diff(before, after, lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))
