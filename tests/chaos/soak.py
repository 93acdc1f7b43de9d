"""A long day: sign-ins and step-ups for minutes, and what the workers' memory does meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from statistics import median

from .crowd import Crowd
from .kills import Outcome
from .site import Site

GROWTH = 5.0  # per cent that memory may have grown by, after the warm-up
EVERY = 5  # seconds between two looks


def memory(pid: int) -> float:
    """Megabytes of a process: its own, and its share of what it shares."""
    proportional = Path(f"/proc/{pid}/smaps_rollup")
    if proportional.exists():
        kilobytes = next(line for line in proportional.read_text().splitlines() if line.startswith("Pss:")).split()[1]
        return int(kilobytes) / 1024
    import psutil  # where there is no /proc

    return float(psutil.Process(pid).memory_info().rss) / 2**20


def soak(site: Site, *, minutes: float, people: int, pause: float = 0.2) -> tuple[dict[str, float], Outcome]:
    """So many minutes of days. The figures, what happened, and what went wrong."""
    crowd, began = Crowd(site, people, pause=pause), site.pids()
    looks: list[float] = []
    with crowd.busy():
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            time.sleep(EVERY)
            looks.append(sum(map(memory, began)))
    fifth = max(1, len(looks) // 5)  # the first is the warm-up
    after, last = median(looks[fifth : 2 * fifth]), median(looks[-fifth:])
    judged = site.judge()
    wrong = crowd.verdict(judged)
    begun, tenth = crowd.seen["begun"], max(1, len(looks) // 10)
    figures = {
        **{f"MB, tenth {turn + 1}": median(looks[turn * tenth :][:tenth]) for turn in range(len(looks) // tenth)},
        "minutes": minutes,
        "days": crowd.days,
        "requests": sum(count for step, count in crowd.seen.items() if ":" not in step),
        "challenges begun": begun,
        "rows of the ledger": judged["counts"]["ledger"],
        "MB after warm-up": after,
        "MB at the end": last,
        "growth in per cent": 100 * (last - after) / after,
    }
    if figures["growth in per cent"] > GROWTH:
        wrong.append(f"memory grew by {figures['growth in per cent']:.1f} %")
    if begun != judged["counts"]["ledger"]:
        wrong.append(f"{begun} challenges were begun, the ledger has {judged['counts']['ledger']} rows")
    wrong += [f"{count} times {step}" for step, count in crowd.seen.items() if step.endswith(": lost")]
    if site.pids() != began:
        wrong.append(f"workers died: {began} were there, {site.pids()} are")
    return figures, (Counter(crowd.seen), wrong)
