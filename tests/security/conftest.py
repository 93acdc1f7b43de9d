"""Both ways in: Django's handler for WSGI, and the one for ASGI."""

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from tests.conftest import Browser


class AsgiBrowser(Browser):
    """A browser whose requests go through the ASGI handler; its cookies and all else are as in the other."""

    def __init__(self, authsignal, **kwargs):
        super().__init__(authsignal, **kwargs)
        self._over_asgi = AsyncClient(**kwargs)

    def generic(self, method, path, data="", *args, headers=None, **kwargs):
        """Every kind of request ends here."""
        self._over_asgi.cookies = self.cookies
        self._over_asgi.raise_request_exception = self.raise_request_exception
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", **(headers or {})}

        async def send():
            return await self._over_asgi.generic(method, path, data, *args, headers=headers, **kwargs)

        return async_to_sync(send)()


@pytest.fixture(params=[Browser, AsgiBrowser], ids=["wsgi", "asgi"])
def way_in(request, authsignal):
    """Makes browsers: the test runs once for each handler."""
    return lambda **kwargs: request.param(authsignal, **kwargs)
