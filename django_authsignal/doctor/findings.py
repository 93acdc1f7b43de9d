"""What the doctor says: one sentence, how bad it is, and the sentence that mends it."""

from dataclasses import dataclass

OK, NOTE, WARNING, ERROR = "ok", "note", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """`level`: "ok", "note" (could not be looked at, or worth knowing), "warning" or "error"."""

    level: str
    text: str
    fix: str = ""
