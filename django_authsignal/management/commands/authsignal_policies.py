"""`manage.py authsignal_policies`: which door of the project asks what, and which asks nothing and looks sensitive."""

import json
import re
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from ...client import ConfigurationError
from ...coverage import Asked, Door, Gap, Report, observations, read
from ...observing import PREFIX
from ...policy import check_action

COLUMNS = ("METHODS", "URL", "VIEW", "ACTION", "AGE", "PROOF", "BIND", "ENFORCE", "ALLOW", "UNENROLLED", "OUTAGE", "BY")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Command(BaseCommand):
    """Lists every door with its policy. Calls nothing, sends nothing, changes nothing."""

    help = "Lists every URL, admin view and action, and API operation with what it asks."
    requires_system_checks = ()  # a urlconf that cannot be imported is to be reported, not raised

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What it takes."""
        parser.add_argument("--coverage", action="store_true", help="name what looks sensitive and asks nothing")
        parser.add_argument("--fail", action="store_true", help="with --coverage: exit with 1 when there is any")
        parser.add_argument("--observed", action="store_true", help='count what ENFORCE "observe" has written')
        parser.add_argument("--since", help="with --observed: 7d, 12h, or a date")
        parser.add_argument("--action", action="append", default=[], help="only this action; may be given again")
        parser.add_argument("--urlconf", help="another than ROOT_URLCONF")
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints one of the three lists."""
        _fit_together(options)
        try:
            for action in options["action"]:
                check_action(action)
            if options["observed"]:
                self._observed(options)
                return
            report = read(options["urlconf"])
        except ConfigurationError as exc:
            raise CommandError(str(exc)) from exc
        if options["coverage"]:
            self._coverage(report, options)
        else:
            self._list(report, options)

    # Every door

    def _list(self, report: Report, options: dict[str, Any]) -> None:
        doors = [door for door in report.doors if _wanted(door, options["action"])]
        if options["format"] == "json":
            self._json({"doors": [_door(door) for door in doors], **_notes(report)})
            return
        self._table(COLUMNS, [row for door in doors for row in _rows(door)])
        self._say_notes(report)

    # What asks nothing

    def _coverage(self, report: Report, options: dict[str, Any]) -> None:
        if options["format"] == "json":
            self._json({"gaps": [_gap(gap) for gap in report.gaps], **_notes(report)})
        else:
            for gap in report.gaps:
                self._say_gap(gap)
            count = len(report.gaps)
            asked = sum(1 for door in report.doors if any(one.is_step_up for one in door.asks))
            left = f"{count} that look sensitive ask nothing" if count else "none that looks sensitive asks nothing"
            self.stdout.write(f"{asked} doors ask for a proof, {left}.")
            self._say_notes(report)
        if options["fail"] and report.fails:
            without = report.gaps or report.faults
            raise CommandError(
                "There are doors without a policy." if without else "An action is spelt in two ways.", returncode=1
            )

    def _say_gap(self, gap: Gap) -> None:
        for view, doors in groupby(gap.doors, key=lambda door: door.view):
            same = list(doors)
            methods = sorted({method for door in same for method in door.methods})
            urls = " ".join(dict.fromkeys(door.url for door in same))
            self.stdout.write(f"{','.join(methods) or 'ANY'} {urls}  {view}  {same[0].where}".rstrip())
        self.stdout.write(f"    {gap.reason}")
        self.stdout.write(f"    {gap.line}")

    def _say_notes(self, report: Report) -> None:
        for door in report.faults:
            self.stdout.write(f"cannot be read: {door.url} {door.view} {door.fault}".replace("  ", " "))
        for name in report.unknown:
            meant = report.misspelt.get(name)
            ask = f"did you mean {meant!r}?" if meant else "is it spelt right?"
            self.stdout.write(f"asked, but not in ACTIONS: {name}. The defaults count; {ask}")
        for name in report.unused:
            self.stdout.write(f"in ACTIONS, but asked nowhere: {name}")
        for key in report.ignored_in_vain:
            self.stdout.write(f"in COVERAGE_IGNORE, but fits nothing: {key}")

    # What was observed

    def _observed(self, options: dict[str, Any]) -> None:
        since = _moment(options["since"]) if options["since"] else None
        found = observations(since=since, actions=options["action"])
        if options["format"] == "json":
            self._json({"observed": [one._asdict() for one in found]})
        elif found:
            self._table(("ACTION", "WOULD HAVE BEEN", "TIMES", "USERS"), [tuple(map(str, one)) for one in found])
        else:
            self.stdout.write(f'Nothing was observed. ENFORCE "observe" writes rows whose reason begins "{PREFIX}".')

    def _json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def _table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        lines = [head, *rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
        for line in lines:
            self.stdout.write("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _fit_together(options: dict[str, Any]) -> None:
    """Raises CommandError for options that would be left out: a build that asks to fail must not pass for it."""
    if options["coverage"] and options["observed"]:
        raise CommandError("--coverage and --observed are two lists. Give one of them.")
    if options["fail"] and not options["coverage"]:
        raise CommandError("--fail says how --coverage ends. Give both: authsignal_policies --coverage --fail.")
    if options["since"] and not options["observed"]:
        raise CommandError("--since goes with --observed. Give both: authsignal_policies --observed --since 7d.")


def _moment(text: str) -> datetime:
    """A date, a moment, or so long ago. Raises CommandError."""
    ago = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    try:
        if ago:
            return timezone.now() - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        day = parse_date(text)
        found = datetime(day.year, day.month, day.day) if day else parse_datetime(text)  # noqa: DTZ001 - made aware below
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise CommandError(f"--since {text!r}: give 30m, 12h, 7d, 2w, or a date such as 2026-11-01.")
    return timezone.make_aware(found) if timezone.is_naive(found) else found


def _wanted(door: Door, actions: Sequence[str]) -> bool:
    return not actions or any(asked.action in actions for asked in door.asks)


def _rows(door: Door) -> list[tuple[str, ...]]:
    about = (door.url or door.where, door.view or "?")
    if door.fault:
        return [("?", *about, "cannot be read", *[""] * 8)]
    if not door.asks:
        return [
            (",".join(door.methods) or "ANY", *about, "-", *[""] * 7, f"exempt: {door.exempt}" if door.exempt else "")
        ]
    return [_row(door, asked, about) for asked in door.asks]


def _row(door: Door, asked: Asked, about: tuple[str, str]) -> tuple[str, ...]:
    age = "session" if asked.max_age is None else f"{asked.max_age} s" if asked.max_age else "one request"
    return (
        ",".join(door.methods or asked.http_methods) or ("" if door.kind == "code" else "ANY"),
        *about,
        asked.action,
        age,
        "any" if asked.methods is None else ",".join(asked.methods),
        ",".join(asked.bind),
        asked.enforce,
        asked.on_allow,
        asked.unenrolled,
        asked.on_unreachable,
        asked.by,
    )


def _door(door: Door) -> dict[str, Any]:
    keys = ("kind", "url", "name", "methods", "view", "where", "exempt", "fault")
    return {**{key: getattr(door, key) for key in keys}, "asks": [asdict(asked) for asked in door.asks]}


def _gap(gap: Gap) -> dict[str, Any]:
    return {"reason": gap.reason, "line": gap.line, "doors": [_door(door) for door in gap.doors]}


def _notes(report: Report) -> dict[str, Any]:
    return {
        "faults": [{"url": door.url, "view": door.view, "fault": door.fault} for door in report.faults],
        "unused": report.unused,
        "unknown": report.unknown,
        "misspelt": report.misspelt,
        "ignored_in_vain": report.ignored_in_vain,
    }
