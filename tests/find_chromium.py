"""Prints the path of a Chromium, installing one when there is none: Debian's package as root, else playwright's own."""

import os
import shutil
import subprocess
import sys

# The first is Chromium without its window: the same engine, for a third of the processor's time.
SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str | None:
    """A Chromium on this machine: CHROMIUM, one on the PATH, or playwright's own."""
    named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if named and shutil.which(named):
        return named
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if os.path.exists(own) else None


def install() -> None:
    """Debian's package where that is possible, playwright's own download otherwise."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"check": False, "stdout": sys.stderr, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        for name in (SHELL, "chromium"):
            if not shutil.which(name):
                subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", name], **quiet)
            if shutil.which(name):
                break
    if not found():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False, stdout=sys.stderr)


if __name__ == "__main__":
    if not found():
        print("No Chromium here: installing one for the browser tests …", file=sys.stderr)
        install()
    browser = found()
    if not browser:
        print("No Chromium could be installed. Install one, or name it in CHROMIUM.", file=sys.stderr)
        sys.exit(1)
    print(browser)
