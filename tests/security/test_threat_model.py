"""The threat model says what the tests try and what the code does about it."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import django_authsignal

HERE = Path(__file__).resolve().parent
PACKAGE = Path(django_authsignal.__file__).resolve().parent
DOCUMENT = (HERE.parent.parent / "docs" / "threat-model.md").read_text()
TABLE = DOCUMENT.partition("## Sixty-seven attacks")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", TABLE, re.M)
NUMBERS = [int(number) for number, _, _, _ in ROWS]


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


@cache
def defined(file):
    """The functions, classes and methods of a file of ours: `refusal_of`, `Challenge`, `Challenge.move`."""
    names = set()
    for node in ast.parse((PACKAGE / file).read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) else []
        names |= {getattr(node, "name", "")}
        names |= {
            f"{node.name}.{one.name}" for one in inside if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        }
    return names


def test_every_attack_has_a_row():
    assert list(range(1, 68)) == NUMBERS


@pytest.mark.parametrize(("number", "tests"), [(int(row[0]), quoted(row[2])) for row in ROWS], ids=NUMBERS)
def test_the_tests_of_a_row_are_run_and_bear_its_number(number, tests):
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        module = importlib.import_module(f"tests.security.{file.removesuffix('.py')}")
        assert name.startswith("test_")  # so that pytest collects it
        assert file.startswith("test_")
        marks = [*getattr(getattr(module, name), "pytestmark", ())]
        assert (number,) in [mark.args for mark in marks if mark.name == "security"], test
        assert "skip" not in [mark.name for mark in (*marks, *listed(getattr(module, "pytestmark", [])))]


def listed(marks):
    return [one.mark for one in (marks if isinstance(marks, list) else [marks])]


@pytest.mark.parametrize("guards", [quoted(row[3]) for row in ROWS], ids=NUMBERS)
def test_the_guards_of_a_row_are_there(guards):
    assert guards
    for guard in guards:
        file, _, name = guard.partition(":")
        assert name in defined(file), guard


def test_a_number_stands_for_an_attack_of_the_table_and_is_named_there():
    """A test that bears a number is one of that row's."""
    named = {(test, int(number)) for number, _, tests, _ in ROWS for test in quoted(tests)}
    borne = set()
    for file in HERE.glob("test_*.py"):
        for numbers, name in re.findall(
            r"((?:^@.*\n(?:[ )\]].*\n)*)+)(?:async )?def (test_\w+)", file.read_text(), re.M
        ):
            borne |= {(f"{file.name}::{name}", int(one)) for one in re.findall(r"mark\.security\((\d+)\)", numbers)}
    assert len(borne) > 67
    assert borne - named == set()
