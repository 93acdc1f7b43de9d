"""`python -m tests.mutation.run FILE...`: breaks each file in every way, and lists the ways that no test notices.

Tests are collected and the database is made once. Then each mutant has a process of its own, forked from there, which
runs the tests that cover what was changed, those first that found the last ones, and stops at the first that fails.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .becoming import Unimportable, apply, functions_of
from .covering import Covering, Measured
from .forks import apart, status_of
from .mutants import ROOT, Mutant, mutants_of, unchanged
from .served import Served

RESULTS = ROOT / ".mutants"
EMULATOR = "django_authsignal/emulator/"
IN_PROCESS = ["admin", "client", "contrib", "enrolment", "flow", "people", "policies", "security", "testing", "unit"]
IN_PROCESS += ["webhooks"]
CHUNK = 300  # tests that are measured before what is known of them is saved
SLOW = 8  # seconds of the processor: a test that takes longer is left out, and named
KILLED = ("killed", "slow")


class Run:
    """A pytest plugin whose loop is ours."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.emulator = options.files[0].startswith(EMULATOR)
        self.out = os.fdopen(os.dup(1), "w", buffering=1)  # before pytest takes it
        memory = "/dev/shm"
        self.place = Path(tempfile.mkdtemp(prefix="mutants-", dir=memory if os.path.isdir(memory) else None))
        self.items: dict[str, Any] = {}
        self.failure = ""

    def say(self, text: str) -> None:
        self.out.write(text + "\n")

    # What pytest calls

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Without a browser. The package's run in this process, the emulator's against the one that we start."""
        unwanted = {"browser", "authsignal_emulator"} if self.emulator else {"emulator", "authsignal_emulator"}
        for item in items:
            if not unwanted & set(item.fixturenames) and ("emulator" in item.fixturenames or not self.emulator):
                self.items[item.nodeid] = item

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failure = f"{report.nodeid}: {report.longreprtext[-2000:]}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        session.config._tmp_path_factory.getbasetemp()
        try:
            if not self.emulator:
                self._make_database(session)
            self._measure()
            for file in self.options.files:
                self._judge(file)
        finally:
            shutil.rmtree(self.place, ignore_errors=True)
        return True

    # Tests

    def _passes(self, name: str, following: Any) -> bool:
        """What the test shares with the node that follows stays set up: with a test, the session, or nothing (None)."""
        self.failure = ""
        item = self.items[name]
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        return not self.failure

    def _in_turn(self, names: list[str]) -> Iterator[tuple[str, Any]]:
        """Each with the test that follows it."""
        return zip(names, [*(self.items[name] for name in names[1:]), None], strict=True)

    def _make_database(self, session: Any) -> None:
        """By running one test, after which all that lives as long as the session is there, and nothing else.

        What lived as long as a folder would fail the first test of any other one, as if that had noticed a mutant.
        """
        first = next(name for name, item in self.items.items() if item.get_closest_marker("django_db"))
        assert self._passes(first, session), self.failure
        from django.db import connections

        self.template = connections["default"].settings_dict["NAME"]
        connections.close_all()

    def _take_database(self, slot: int) -> None:
        if not self.emulator:
            from django.db import connections

            connections["default"].settings_dict["NAME"] = str(self.place / f"{slot}.sqlite3")
            shutil.copyfile(self.template, self.place / f"{slot}.sqlite3")

    def _served(self, slot: int) -> Any:
        return Served(self.place / f"served-{slot}") if self.emulator else contextlib.nullcontext()

    # What they cover

    def _measure(self) -> None:
        files = [str(one.relative_to(ROOT)) for one in sorted((ROOT / "django_authsignal").rglob("*.py"))]
        files = [one for one in files if one.startswith(EMULATOR) is self.emulator]
        self.covering = Covering(RESULTS / ("emulator.json" if self.emulator else "package.json"), files)
        new = [name for name in self.items if name not in self.covering.tests]
        work = self._measure_served if self.emulator else self._measure_here
        for begin in range(0, len(new), CHUNK):
            self.say(f"measuring tests: {begin} of {len(new)}")
            parts = self._shares(new[begin : begin + CHUNK])
            for found in apart(self.place, parts, lambda slot, part: work(slot, part, files)):
                self.covering.tests |= found
            self.covering.save()
        self.known = []
        for name in self.items:
            about = self.covering.tests[name]
            if about["ok"] and about["seconds"] <= SLOW:
                self.known.append(name)
            else:
                self.say(f"left out, it {'is slow' if about['ok'] else 'fails here'}: {name}")

    def _shares(self, names: list[str]) -> list[list[str]]:
        size = -(-len(names) // self.options.processes)
        return [names[begin : begin + size] for begin in range(0, len(names), size)]

    def _measure_here(self, slot: int, names: list[str], files: list[str]) -> dict[str, Any]:
        self._take_database(slot)
        measured = Measured(files)
        found = self._run_all(names, measured.switch, time.process_time)
        lines = measured.stop()
        return {name: {**about, "lines": lines.get(name, {})} for name, about in found.items()}

    def _measure_served(self, slot: int, names: list[str], files: list[str]) -> dict[str, Any]:
        with self._served(slot) as served:
            with served.measured(files) as switch:
                found = self._run_all(names, switch, time.perf_counter)
            lines = served.lines()
        return {name: {**about, "lines": lines.get(name, {})} for name, about in found.items()}

    def _run_all(self, names: list[str], switch: Any, clock: Any) -> dict[str, Any]:
        found = {}
        for name, following in self._in_turn(names):
            switch(name)
            began = clock()
            ok = self._passes(name, following)
            found[name] = {"seconds": clock() - began, "ok": ok}
            if not ok:
                self.say(self.failure)
        return found

    # What they notice

    def _judge(self, file: str) -> None:
        options, mutants = self.options, list(mutants_of(file))
        of = len(mutants)
        if options.only:
            mutants = [one for one in mutants if one.number in options.only]
        mutants = [one for one in mutants if not options.function or one.name == options.function]
        if options.sample and options.sample < len(mutants):
            mutants = random.Random(1).sample(mutants, options.sample)  # always the same
        began = time.monotonic()
        self._check(file)
        parts = [mutants[slot :: options.processes] for slot in range(options.processes)]
        found = {key: about for part in apart(self.place, parts, self._judge_part) for key, about in part.items()}
        alive = [one for one in mutants if found[one.id]["outcome"] not in KILLED]
        report = [
            f"{file}: {len(mutants)} of {of} mutants, {len(mutants) - len(alive)} killed "
            f"({sum(about['outcome'] == 'slow' for about in found.values())} by the clock), {len(alive)} alive: "
            f"{100 * (len(mutants) - len(alive)) / max(1, len(mutants)):.1f} % in {time.monotonic() - began:.0f} s"
        ]
        self.say(report[0])
        for one in sorted(alive, key=lambda one: one.number):
            where = f"{one.number} {one.name or 'constant'}, line {one.lines[0][0]}"
            report.append(f"\n{where}: {found[one.id]['outcome']}\n{one.diff}")
        if options.only or options.function:
            self.say("\n".join([*report[1:], *(f"{one.number} {found[one.id]}" for one in mutants)]))
        else:
            (RESULTS / f"{file.replace('/', '.')}.txt").write_text("\n".join(report) + "\n")

    def _check(self, file: str) -> None:
        """Leaves out what objects to no change at all: a test that needs another, or an idle machine."""
        for _ in range(10):
            control = apart(self.place, [[unchanged(file)]], self._judge_part)[0][f"{file}:0"]
            if control["outcome"] not in KILLED:
                return
            why = (self.place / "test-0.why").read_text()
            self.say(f"left out, it fails without any change: {control['by']}: {why}")
            self.known.remove(control["by"])
        raise SystemExit("Too many tests fail without any change.")

    def _judge_part(self, slot: int, mutants: list[Mutant]) -> dict[str, Any]:
        last_found: dict[str, dict[str, int]] = defaultdict(dict)  # of a function: when a test found a mutant
        found = {}
        if not self.emulator:
            functions_of(mutants[0].file)
        gc.collect()
        gc.freeze()  # what is never looked at again is never copied
        with self._served(slot) as served:
            for turn, mutant in enumerate(mutants):
                names, finders = self.covering.of(mutant, self.known), last_found[mutant.name]
                names.sort(key=lambda name: (-finders.get(name, -1), self.covering.tests[name]["seconds"]))
                names = self._some(names)
                with served.mutant(mutant) if served else contextlib.nullcontext():
                    outcome, finder = self._try(slot, mutant, names)
                found[mutant.id] = {"outcome": outcome, "by": finder}
                if finder:
                    finders[finder] = turn
                if slot == 0 and turn % 50 == 49:
                    alive = sum(one["outcome"] not in KILLED for one in found.values())
                    self.say(f"  {turn + 1} of {len(mutants)}, {alive} alive")
        return found

    def _some(self, names: list[str]) -> list[str]:
        """No more than `--most`: half of them the first, the others from anywhere, always the same."""
        most = self.options.most
        if not most or len(names) <= most:
            return names
        first, others = names[: most // 2], names[most // 2 :]
        return first + random.Random(1).sample(others, most - most // 2)

    def _try(self, slot: int, mutant: Mutant, names: list[str]) -> tuple[str, str]:
        if not names:
            return "no test runs it", ""
        note = self.place / f"test-{slot}"
        note.write_text("")
        note.with_suffix(".why").write_text("")
        seconds = 5 + 3 * sum(self.covering.tests[name]["seconds"] for name in names)
        status = status_of(lambda: self._be(slot, mutant, names, note), seconds)
        if status is None:
            return "slow", note.read_text()
        if status and self.options.only:
            self.say(f"{mutant.id}: {note.with_suffix('.why').read_text()}")
        return ("killed", note.read_text()) if status else (f"alive after {len(names)} tests", "")

    def _be(self, slot: int, mutant: Mutant, names: list[str], note: Path) -> None:
        self._take_database(slot)
        if not self.emulator:
            try:
                apply(mutant)
            except Unimportable:
                os._exit(1)
        for name, following in self._in_turn(names):
            note.write_text(name)
            if not self._passes(name, following):
                note.with_suffix(".why").write_text(self.failure)
                os._exit(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.run", description=__doc__)
    parser.add_argument("files", nargs="+", help="of one kind: the package's, or the emulator's")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each file, always the same")
    parser.add_argument("--only", type=int, nargs="*", help="the mutants with these numbers")
    parser.add_argument("--function", default="", help="the mutants of this function")
    parser.add_argument("--most", type=int, default=0, help="tests for each mutant at most: more may be alive then")
    parser.add_argument("--tests", nargs="*", help="folders or files below tests/ (default: all that could notice)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    options = parser.parse_args()
    run = Run(options)
    arguments = ["-q", "--tb=short", "--rootdir", str(ROOT), "-p", "no:cacheprovider", "-p", "no:xdist"]
    # Where the project is installed from its folder, `tests` is one of a plugin's packages, and this is a module of it.
    arguments += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    folders = options.tests or (["emulator"] if run.emulator else IN_PROCESS)
    arguments += [f"{ROOT}/tests/{name}" for name in folders]
    return int(pytest.main(arguments, plugins=[run]))


if __name__ == "__main__":
    sys.exit(main())
