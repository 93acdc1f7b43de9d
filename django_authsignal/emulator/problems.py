"""The one exception of the rules: what the API answers as an error."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """A refusal with its HTTP status, its code and a sentence."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description

    def body(self) -> dict[str, Any]:
        """All three keys: the SDKs disagree about which of them holds the code."""
        return {"error": self.code, "errorCode": self.code, "errorDescription": self.description}


def invalid(description: str) -> Problem:
    """400 invalid_request. Name the field: `body.email must be ...`."""
    return Problem(400, "invalid_request", description)


def not_found(what: str) -> Problem:
    return Problem(404, "not_found", f"{what} was not found.")
