"""A server that the demo starts, watches and ends."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

GRACE = 5.0  # seconds between asking a child to end and killing it
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Child:
    """One server of ours. `log` is the file for its output; None leaves its errors on this terminal."""

    name: str
    arguments: Sequence[str]
    log: Path | None = None
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start it tethered to us and away from the terminal's own Ctrl-C: we end it ourselves, in order."""
        output = self.log.open("wb") if self.log else None
        self.process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", "example_project.tether", *self.arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=output or subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )
        if output:
            output.close()

    @property
    def ended(self) -> bool:
        """True when it is not running any more."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """End it, by force after GRACE seconds."""
        if self.ended:
            return
        self.process.terminate()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_words(self) -> str:
        """How it ended, with the end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:] if self.log else []
        told = "".join(f"\n    {line}" for line in lines)
        return f"The {self.name} ended by itself (exit code {self.process.returncode}).{told}"
