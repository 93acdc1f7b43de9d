"""Which test runs which lines, measured once, and again only for tests that are new."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import coverage

from .mutants import ROOT, Mutant


class Measured:
    """Coverage of some files, line by line and test by test."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = list(files)
        paths = [str(ROOT / file) for file in self._files]
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=paths, messages=False)
        self._coverage.start()

    def switch(self, name: str) -> None:
        """From now on it is this test that runs."""
        self._coverage.switch_context(name)

    def stop(self) -> dict[str, dict[str, list[int]]]:
        """By test and file, the lines."""
        self._coverage.stop()
        data = self._coverage.get_data()
        found: dict[str, dict[str, list[int]]] = {}
        for file in self._files:
            for line, names in data.contexts_by_lineno(str(ROOT / file)).items():
                for name in names:
                    found.setdefault(name, {}).setdefault(file, []).append(line)
        return found


class Covering:
    """What is known of the tests: `seconds` of the processor, `ok`, `lines` by file."""

    def __init__(self, store: Path, files: Iterable[str]) -> None:
        self._store = store
        kept = json.loads(store.read_text()) if store.exists() else {"files": {}, "tests": {}}
        self.tests: dict[str, Any] = kept["tests"]
        self._files = {file: (ROOT / file).read_text() for file in files}
        for file, text in self._files.items():
            if kept["files"].get(file, text) != text:
                self._follow(file, kept["files"][file], text)

    def _follow(self, file: str, before: str, now: str) -> None:
        """Moves what was measured to where the lines of a changed file are now."""
        moved: dict[int, set[int]] = {}  # a line that was written anew is run by what ran those in its place
        pieces = SequenceMatcher(None, before.splitlines(), now.splitlines(), autojunk=False).get_opcodes()
        for kind, begin, end, new_begin, new_end in pieces:
            for line in range(begin, end):
                same = {line - begin + new_begin + 1}
                moved[line + 1] = same if kind == "equal" else set(range(new_begin + 1, new_end + 1))
        for about in self.tests.values():
            lines = [moved.get(line, set()) for line in about["lines"].get(file, ())]
            about["lines"][file] = sorted(set().union(*lines))

    def save(self) -> None:
        self._store.parent.mkdir(exist_ok=True)
        self._store.write_text(json.dumps({"files": self._files, "tests": self.tests}))

    def of(self, mutant: Mutant, names: Iterable[str]) -> list[str]:
        """Those of these tests that ran what is changed; of a constant, that ran anything of its file, else all."""
        covered = {name: set(self.tests[name]["lines"].get(mutant.file, ())) for name in names}
        if not mutant.name:
            return [name for name in covered if covered[name]] or list(covered)
        # Where an error was thrown into a generator, Python before 3.12 tells nobody which of its lines ran after that.
        generator = "yield" in mutant.code
        for first, last in mutant.lines[-1:] if generator else mutant.lines:
            lines = set(range(first, last + 1))
            found = [name for name in covered if covered[name] & lines]
            if found:
                return found
        return []
