"""Points at which a worker dies when a request asks for it: as by SIGKILL at that very moment.

`X-Die-At: 7` ends the process at the request's seventh point; the answer's `X-Points` says how many there are. Points
lie before and after each statement, each write of a session, each call to Authsignal, and before the answer.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse

from django_authsignal.signals import authsignal_called

_here = threading.local()


def point() -> None:
    """One point. Outside a request that counts them it does nothing."""
    _here.count = getattr(_here, "count", 0) + 1
    if _here.count == getattr(_here, "die_at", 0):
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def around() -> Iterator[None]:
    """A point before and one after."""
    point()
    yield
    point()


def _statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    with around():
        return execute(sql, params, many, context)


def _called(**kwargs: Any) -> None:
    point()


authsignal_called.connect(_called)


class DyingMiddleware:
    """Outermost: its last point is when everything is done, and nothing is told."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        _here.count, _here.die_at = 0, int(request.headers.get("X-Die-At", 0))
        with connection.execute_wrapper(_statement):
            response = self.get_response(request)
        point()
        response["X-Points"] = str(_here.count)
        _here.die_at = 0
        return response
