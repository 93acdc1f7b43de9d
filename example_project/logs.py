"""What the development server prints of each request."""

import logging


class RequestLines(logging.Filter):
    """Show pages, hide static files, and cut every query string.

    The query of the callback is a token that is good for ten minutes: it belongs in no log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite "GET /path?query HTTP/1.1" in place; False drops the line."""
        if not isinstance(record.args, tuple) or not record.args or not isinstance(record.args[0], str):
            return True
        method, _, rest = record.args[0].partition(" ")
        target, _, _version = rest.rpartition(" ")
        path = target.partition("?")[0]
        record.args = (f"{method} {path}", *record.args[1:])
        return not path.startswith("/static/") and path != "/favicon.ico"
