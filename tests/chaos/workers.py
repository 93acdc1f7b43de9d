"""gunicorn's configuration: each worker leaves its process id in a folder, so that it can be found and killed."""

import os
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["CHAOS_FOLDER"]) / "workers"


def post_fork(server: Any, worker: Any) -> None:
    """In the new worker."""
    (FOLDER / str(os.getpid())).touch()


def child_exit(server: Any, worker: Any) -> None:
    """In the master, once a worker is gone, however it went."""
    (FOLDER / str(worker.pid)).unlink(missing_ok=True)
