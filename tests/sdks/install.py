"""The official JavaScript SDKs for the tests: put into node_modules beside this file, once.

As root on Debian `python tests/sdks/install.py` installs Node.js and npm too, when they are missing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
_LISTED = MODULES / ".package-lock.json"  # what npm writes when it has finished


def install() -> str:
    """Empty when the SDKs of package-lock.json are here, else why they are not."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "Node.js and npm are not here. On Debian and Ubuntu: apt-get install nodejs npm"
    with (HERE / "package.json").open() as lock:  # processes that run tests beside each other install once
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _install()


def _install() -> str:
    if _LISTED.exists() and _LISTED.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime:
        return ""
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        return "npm ci did not end within three minutes."
    return "" if done.returncode == 0 else f"npm ci failed: {done.stderr.strip()[-500:]}"


def _install_node() -> None:
    if not shutil.which("npm") and shutil.which("apt-get") and os.geteuid() == 0:
        print("No npm here: installing it for the tests of the SDKs …", file=sys.stderr)
        quiet = {"check": False, "stdout": sys.stderr, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "nodejs", "npm"], **quiet)


if __name__ == "__main__":
    _install_node()
    if reason := install():
        print(reason, file=sys.stderr)
        sys.exit(1)
