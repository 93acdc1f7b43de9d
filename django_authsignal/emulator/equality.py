"""`==` and `!=` as JsonLogic has them, which is as JavaScript does, in words that the evaluator means the same by.

datalogic-py finds null equal to false, to 0 and to "", so a rule for addresses that are not anonymous would hold for a
visitor whose address nobody sent. It has no setting for it; the condition is rewritten before it is compiled.
"""

from __future__ import annotations

from typing import Any

# Whatever they are given, they give no null.
_NEVER_NULL = {
    "==",
    "===",
    "!=",
    "!==",
    "!",
    "!!",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "cat",
    "substr",
    "merge",
    "map",
    "filter",
}
_NEVER_NULL |= {"all", "some", "none", "missing", "missing_some"}
# What equals a boolean, by its type too. Other texts of the same number, such as "1.0", are left out.
_AS_BOOLEAN = {True: (True, 1, "1"), False: (False, 0, "0", "")}


def javascript(logic: Any) -> Any:
    """The condition with its equalities spelt out. One whose operands may be null repeats them."""
    if isinstance(logic, list):
        return [javascript(item) for item in logic]
    if not isinstance(logic, dict):
        return logic
    rewritten = {name: javascript(operands) for name, operands in logic.items()}
    for name, negated in (("==", False), ("!=", True)):
        operands = rewritten.get(name)
        if isinstance(operands, list) and len(operands) == 2:
            equal = _equal(*operands)
            return {"!": [equal]} if negated else equal
    return rewritten


def _equal(left: Any, right: Any) -> Any:
    for one, other in ((left, right), (right, left)):
        if one is None:
            return {"===": [other, None]}
        if isinstance(one, bool):
            return {"or": [{"===": [other, same]} for same in _AS_BOOLEAN[one]]}
    plain = {"==": [left, right]}
    nullable = [operand for operand in (left, right) if _may_be_null(operand)]
    if len(nullable) == 2:
        return {"if": [{"===": [left, None]}, {"===": [right, None]}, {"===": [right, None]}, False, plain]}
    return {"and": [{"!==": [nullable[0], None]}, plain]} if nullable else plain


def _may_be_null(operand: Any) -> bool:
    return isinstance(operand, dict) and not _NEVER_NULL & operand.keys()
