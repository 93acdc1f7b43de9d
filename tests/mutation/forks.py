"""Processes that are forked, and a limit to the time of each."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

_BROKEN = 3  # the status of a process whose trouble is our own
_STDERR = os.dup(2)  # before pytest takes it
_PATIENCE = 20  # how many times slower than measured a busy machine may be


def fork(function: Callable[[], Any]) -> int:
    """The id of a process that does this and ends with 0, or with what it gives to `os._exit`."""
    pid = os.fork()
    if pid:
        return pid
    try:
        function()
    except BaseException:
        sys.stderr = os.fdopen(os.dup(_STDERR), "w")
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(_BROKEN)
    os._exit(0)


def apart(place: Path, parts: list[Any], work: Callable[[int, Any], Any]) -> list[Any]:
    """What `work` makes of each part, all at once."""
    paths = [place / f"part-{slot}.json" for slot in range(len(parts))]

    def do(slot: int) -> None:
        paths[slot].write_text(json.dumps(work(slot, parts[slot])))

    pids = [fork(partial(do, slot)) for slot in range(len(parts))]
    assert not sum(os.waitpid(pid, 0)[1] for pid in pids), "a part has failed, see above"
    return [json.loads(path.read_text()) for path in paths]


def status_of(function: Callable[[], Any], seconds: float) -> int | None:
    """With what it ended; None when it took more than so many seconds of the processor, or far more of the clock."""

    def limited() -> None:
        most = ceil(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))
        function()

    pid = fork(limited)
    end = time.monotonic() + _PATIENCE * seconds
    pause = 0.002
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            assert code != _BROKEN, "the mutant could not be tried, see above"
            return None if code in (-signal.SIGXCPU, -signal.SIGKILL) else code
        time.sleep(pause)
        pause = min(0.02, pause * 1.5)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None
