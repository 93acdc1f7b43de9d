"""A page of an application that uses @authsignal/browser: another origin than the emulator's, with a strict policy."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .install import MODULES

SDK = MODULES / "@authsignal/browser/dist/index.min.js"
# Of the <style> that the SDK's popup adds to the page; a console message names the new one when it has changed.
POPUP_STYLE = "'sha256-5Az4NQb6dubGZHm0w3ZAqADXELlINI1b9WNySRWe9W4='"
HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Application</title><link rel="icon" href="data:,">
<input autocomplete="username webauthn" aria-label="User name"><script src="/sdk.js"></script></html>"""


class Application:
    """On http://localhost, whose passkeys the emulator knows; `trust` names the emulator, which starts later."""

    def __init__(self) -> None:
        self.emulator = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                script = self.path == "/sdk.js"
                body = SDK.read_bytes() if script else HTML.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/javascript" if script else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", outer.policy())
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://localhost:{self._server.server_port}"

    def policy(self) -> str:
        sockets = self.emulator.replace("http", "ws", 1)
        return (
            f"default-src 'none'; script-src 'self'; style-src {POPUP_STYLE}; img-src data:; "
            f"connect-src {self.emulator} {sockets}; frame-src {self.emulator}; form-action 'none'; base-uri 'none'"
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
