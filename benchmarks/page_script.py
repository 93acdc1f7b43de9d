"""What the script of {% authsignal_script %} costs a page: milliseconds of script, the same page with and without it.

Run: CHROMIUM=… python benchmarks/page_script.py. Measured in Chromium by its own count of script time, medians of 15.
"""

import http.server
import statistics
import threading
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser

from tests.emulator.hosted_browser import chromium_running

STATIC = Path(__file__).resolve().parent.parent / "django_authsignal" / "static" / "authsignal"
ROUNDS = 15
PAGE = "<!doctype html><title>page</title><form method=post><input name=a></form>"
SCRIPT = '<script type="module" src="/authsignal.js" data-authsignal data-url="/"></script>'


class Handler(http.server.SimpleHTTPRequestHandler):
    """The static files, and the page with or without the script."""

    def do_GET(self) -> None:
        if self.path.startswith("/page"):
            body = (PAGE + (SCRIPT if "with" in self.path else "")).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            super().do_GET()

    def log_message(self, *args: object) -> None:
        """Quiet."""


def milliseconds(browser: Browser, url: str) -> float:
    """Script time of one fresh page."""
    page = browser.new_context().new_page()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.goto(url)
    page.wait_for_load_state("networkidle")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    page.context.close()
    return float(found["ScriptDuration"]) * 1000


def main() -> None:
    """Prints both medians and what lies between."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(STATIC)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/page"
    with chromium_running() as browser:
        milliseconds(browser, base)
        pairs = [(milliseconds(browser, base), milliseconds(browser, f"{base}?with")) for _ in range(ROUNDS)]
    without, with_it = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"page without the script: {without:.2f} ms, with it: {with_it:.2f} ms; it costs {with_it - without:.2f} ms")
    server.shutdown()


if __name__ == "__main__":
    main()
