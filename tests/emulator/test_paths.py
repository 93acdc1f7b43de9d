"""How ids are read from a path, under ASGI and WSGI servers alike."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.test import RequestFactory

from django_authsignal.emulator.http import raw_path, resolve, route


def _here(call: object) -> None:
    """A handler that is never called."""


ROUTES = [
    route("users/{user_id}/actions/{action}/{key}", GET=_here),
    route("users/{user_id}/actions/{action}", POST=_here),
    route("users/{user_id}", GET=_here),
]


@pytest.mark.parametrize("key", ["RAW_URI", "REQUEST_URI"])
@pytest.mark.parametrize(
    "sent", ["/v1/users/a%252Fb?x=1", "http://localhost:9000/v1/users/a%252Fb", "/v1/users/a%252Fb"]
)
def test_a_wsgi_server_gives_the_path_as_it_was_sent(key: str, sent: str) -> None:
    request = RequestFactory().get("/v1/users/a%2Fb", **{key: sent})
    assert raw_path(request) == "/v1/users/a%252Fb"


@pytest.mark.parametrize("user_id", ["a%2Fb", "100%", "é", "a+b|c@d:1", "a b"])
def test_a_server_that_keeps_the_sent_path_to_itself_does_not_have_it_decoded_twice(user_id: str) -> None:
    request = RequestFactory().get("/v1/users/" + quote(user_id))
    assert resolve(ROUTES, "GET", raw_path(request).removeprefix("/v1/"))[1] == {"user_id": user_id}


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("users/a/actions/b/actions/c", {"user_id": "a/actions/b", "action": "c"}),
        ("users/a%2Factions%2Fb/actions/c", {"user_id": "a/actions/b", "action": "c"}),
        ("users/a%252Fb/actions/c", {"user_id": "a%2Fb", "action": "c"}),
        ("users/../actions/c", {"user_id": "..", "action": "c"}),
    ],
)
def test_what_follows_a_user_id_is_matched_from_the_right(path: str, ids: dict[str, str]) -> None:
    assert resolve(ROUTES, "POST", path)[1] == ids
