"""What must be true of database and sessions, whatever happened: `python -m tests.chaos.judge` prints JSON.

`faults`: what is wrong, a sentence each. `counts`: of ledger, payments, proofs, sessions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import django

PROVED = ("proved", "spent")


def main() -> None:
    """Prints what it finds."""
    django.setup()
    from django_authsignal.models import Challenge
    from tests.chaos.kept import sessions
    from tests.chaos.models import Effect

    rows = {str(row.pk): row for row in Challenge.objects.all()}
    effects = list(Effect.objects.all())
    kept = list(sessions())
    faults = [*payments(effects, rows), *proofs(effects), *logins(kept, rows)]
    counts = {
        "ledger": len(rows),
        "statuses": Counter(row.status for row in rows.values()),
        "payments": len([one for one in effects if one.kind == "pay"]),
        "proofs": Counter(one.challenge for one in effects if one.kind == "proved"),
        "paid": Counter(one.challenge for one in effects if one.kind == "pay"),
        "asked": [one.asked for one in effects if one.kind == "pay"],
        "sessions": len(kept),
        "signed in": len([one for one in kept if "_auth_user_id" in one]),
    }
    print(json.dumps({"faults": faults, "counts": counts}))


def payments(effects: list[Any], rows: dict[str, Any]) -> Iterator[str]:
    """Each payment has a proof of its own, of that user, for that action, and it is used up."""
    paid = [one for one in effects if one.kind == "pay"]
    for challenge, count in Counter(one.challenge for one in paid).items():
        if count > 1:
            yield f"{count} payments by the one proof {challenge}"
    for one in paid:
        row = rows.get(one.challenge)
        if row is None:
            yield f"a payment by the proof {one.challenge}, which the ledger does not know"
        elif (row.status, row.action, row.user_pk, row.proved_at is None) != ("spent", "pay", one.user_pk, False):
            yield f"a payment of user {one.user_pk} by {row!r} of user {row.user_pk}"


def proofs(effects: list[Any]) -> Iterator[str]:
    """Each challenge was proved once."""
    for challenge, count in Counter(one.challenge for one in effects if one.kind == "proved").items():
        if count > 1:
            yield f"the challenge {challenge} was proved {count} times"


def logins(kept: list[dict[str, Any]], rows: dict[str, Any]) -> Iterator[str]:
    """Nobody is signed in without a pass for it, and each pass rests on a proof of that user."""
    for one in kept:
        passes = list((one.get("authsignal") or {}).get("passes", {}).values())
        user = one.get("_auth_user_id")
        if user and not [item for item in passes if item["action"] == "signIn" and item["user"] == user]:
            yield f"user {user} is signed in without a proof"
        for item in passes:
            row = rows.get(item["id"])
            if row is None or row.status not in PROVED or (row.user_pk, row.action) != (item["user"], item["action"]):
                yield f"a pass for {item['action']} of user {item['user']} rests on {row!r}"


if __name__ == "__main__":
    main()
