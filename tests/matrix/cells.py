"""What a page can send, by which way it is proved, with and without a script; and why some of it cannot be."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

SERVERS = ("gunicorn", "uvicorn")
WAYS = ("redirect", "dialog", "tab")
#: Every operation: the kind of thing it is, and its name in the table.
OPERATIONS = {
    "get": ("link", "GET"),
    "form": ("form", "POST form"),
    "query": ("form", "POST with query"),
    "file": ("form", "POST with file"),
    "sensitive": ("form", "POST with sensitive fields"),
    "bound": ("form", "POST, bound to its values"),
    "dialog": ("form", "form in a dialog"),
    "marked": ("marked", "marked form, with file and password"),
    "markedbound": ("marked", "marked button, bound to its values"),
    "json": ("call", "JSON fetch"),
    "raw": ("call", "raw fetch"),
    "put": ("call", "PUT"),
    "patch": ("call", "PATCH"),
    "delete": ("call", "DELETE"),
    "hxget": ("htmx", "HTMX get"),
    "hxpost": ("htmx", "HTMX post"),
}


@dataclass(frozen=True)
class Cell:
    """One of them."""

    operation: str
    way: str
    script: bool = True
    htmx: str = ""

    @property
    def kind(self) -> str:
        return OPERATIONS[self.operation][0]

    @property
    def name(self) -> str:
        return OPERATIONS[self.operation][1] + (f" ({self.htmx})" if self.htmx else "")

    def __str__(self) -> str:
        return f"{self.operation}{self.htmx}-{self.way}-{'script' if self.script else 'plain'}"

    @property
    def axes(self) -> dict[str, object]:
        """What a run of every pair takes every pair of."""
        return {"operation": self.operation + self.htmx, "way": self.way, "script": self.script}

    @property
    def families(self) -> dict[str, object]:
        """What a short run takes every value of."""
        return {"kind": self.kind, "way": f"{self.way}, {self.script}"}

    @property
    def impossible(self) -> str:
        """Why this cell cannot be; "" when it can."""
        if self.kind == "link" and self.way != "redirect":
            return "a navigation is redirected"
        if not self.script and self.kind in ("call", "htmx"):
            return "needs a script"
        if not self.script and self.way == "dialog":
            return "a dialog needs a script"
        return ""


ALL = [
    Cell(operation, way, script, htmx)
    for operation, (kind, _) in OPERATIONS.items()
    for htmx in (("2", "4") if kind == "htmx" else ("",))
    for script in (True, False)
    for way in WAYS
]
CELLS = [cell for cell in ALL if not cell.impossible]

LINES = "first\nsecond\n\nfourth"
CALLS = {
    "json": ("POST", "application/json"),
    "raw": ("POST", "application/octet-stream"),
    "put": ("PUT", "application/json"),
    "patch": ("PATCH", "application/merge-patch+json"),
    "delete": ("DELETE", "application/json"),
}


def expected(cell: Cell, mark: str, user: str) -> dict[str, Any]:
    """Exactly what has to arrive."""
    nothing = {"operation": cell.operation, "query": [], "fields": [], "files": {}, "body": "", "user": user}
    if cell.kind == "link":
        return nothing | {"method": "GET", "query": [["mark", mark], ["many", "one"], ["many", ""], ["u", "Zoë"]]}
    if cell.kind == "call":
        method, _ = CALLS[cell.operation]
        text = json.dumps(
            {"mark": mark, "amount": 1.1, "name": "Zoë", "nested": {"list": [1, None]}}, ensure_ascii=False
        )
        body = text.replace(": ", ":").replace(", ", ",").encode()
        body = mark.encode() + bytes(range(256)) if cell.operation == "raw" else body
        return nothing | {"method": method, "query": [["from", "page"]], "body": base64.b64encode(body).decode()}
    # A form's own sending writes CR LF; a script's FormData keeps what the page holds.
    lines = LINES if cell.kind == "htmx" else LINES.replace("\n", "\r\n")
    fields = [["mark", mark], ["many", "one"], ["many", ""], ["many", "Zoë & “Söhne” <b>"], ["empty", ""]]
    fields += [["lines", lines], ["<i>name</i>", "💷"]]
    if cell.kind != "htmx":  # HTMX asks the forms of its page by such names itself
        fields += [["addEventListener", "shadow"]]
    files: dict[str, list[str]] = {}
    if cell.operation in ("sensitive",):
        fields += [["account", f"{mark}-account"], ["password", f"{mark}-password"]]
    if cell.operation == "marked":
        fields += [["password", f"{mark}-password"]]
    if cell.operation in ("file", "marked"):
        files = {"statement": [base64.b64encode(mark.encode() + bytes(range(256))).decode()]}
    if cell.operation in ("bound", "markedbound"):
        fields += [["amount", "250.00"], ["payee", f"Zoë {mark}"]]
    fields += [["do", "Send now"]]
    operation = "bound" if cell.operation == "markedbound" else cell.operation
    if cell.operation == "hxget":
        return nothing | {"operation": operation, "method": "GET", "query": fields}
    query = {"query": [["next", "/x y"], ["many", "1"], ["many", ""], ["many", "2"]], "hxpost": [["next", "/x"]]}
    return nothing | {
        "operation": operation,
        "method": "POST",
        "query": query.get(cell.operation, []),
        "fields": fields,
        "files": files,
    }
