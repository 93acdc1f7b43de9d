"""Forms for what the Management API checks: it refuses, and here the refusal is shown beside its field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, QueryDict

from django_authsignal.emulator.http import Call, read_json
from django_authsignal.emulator.problems import Problem

_FIELD = re.compile(r"body\.(\w+)")
Choices = Sequence[tuple[str, Any]]


@dataclass
class Field:
    """One question. `value` is a text, or the chosen values of "checks", or whether a "check" is set."""

    name: str
    label: Any
    kind: str = "text"
    value: Any = ""
    help: Any = ""
    choices: Choices = ()
    required: bool = False
    error: str = ""
    type: str = "text"


@dataclass
class Form:
    """Fields in their order. `key` keeps the ids of two forms on one page apart."""

    fields: list[Field]
    key: str = "form"
    error: str = ""
    is_open: bool = False

    def read(self, given: QueryDict) -> None:
        """What was sent, to be shown again when it is refused."""
        for one in self.fields:
            if one.kind == "check":
                one.value = one.name in given
            elif one.kind == "checks":
                one.value = given.getlist(one.name)
            else:
                one.value = given.get(one.name, "").strip()

    def refuse(self, problem: Problem) -> None:
        """Say why, beside the field that the sentence names."""
        self.is_open = True
        text = problem.description.replace("body.", "")
        found = _FIELD.search(problem.description)
        for one in self.fields:
            if found and one.name == found[1]:
                one.error = text
                return
        self.error = text

    def text(self, name: str) -> str:
        return str(self._value(name))

    def flag(self, name: str) -> bool:
        return bool(self._value(name))

    def many(self, name: str) -> list[str]:
        return list(self._value(name))

    def whole(self, name: str) -> Any:
        """The number, or the text as it is, which the API refuses with a sentence of its own."""
        text = self.text(name)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text or None

    def number(self, name: str) -> Any:
        text = self.text(name)
        return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else text or None

    def json(self, name: str) -> Any:
        text = self.text(name)
        return read_json(text, f"body.{name}") if text else None

    def _value(self, name: str) -> Any:
        return next(one.value for one in self.fields if one.name == name)


def call(request: HttpRequest, body: dict[str, Any] | None = None, **ids: Any) -> Call:
    """The form as the API's handlers read a request; who is allowed to ask was decided by `guard.py`."""
    plain = {name: str(value) for name, value in ids.items()}
    return Call(request.method or "", plain, QueryDict(), body or {}, "")
