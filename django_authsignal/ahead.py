"""A proof asked for before its request is sent: a page tells what it is about to send, and gets the challenge of that.

The request is made up here, asked about, and thrown away: its values reach Authsignal as they would have, and nothing
of them is kept. The real request is then read, hashed and compared as every other.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.exceptions import BadRequest, TooManyFieldsSent
from django.http import HttpRequest, QueryDict
from django.urls import Resolver404, get_script_prefix, resolve
from django.utils.datastructures import MultiValueDict

from . import addresses, enforcement
from .binding import FORM_TYPES
from .decorators import HTTP_METHODS
from .enforcement import Requirement
from .guards import requirements_of

SHARED = ("session", "user", "_authsignal_browser", "_authsignal_started")


def imagined(request: HttpRequest, told: Any) -> HttpRequest:
    """The request that a page says it is about to send. Raises BadRequest, ending with what to send instead."""
    if not isinstance(told, Mapping):
        raise BadRequest('"request" is not an object. Send {"method", "path", "fields"}.')
    method, path = told.get("method"), told.get("path")
    if method not in HTTP_METHODS:
        raise BadRequest('"method" is not an HTTP method. Send "POST".')
    if not isinstance(path, str) or not path.startswith("/") or not addresses.local(request, path):
        raise BadRequest('"path" is not an address of this site. Send its path and query.')
    parts = urlsplit(path)
    made = HttpRequest()
    made.method, made.path = method, unquote(parts.path)
    made.path_info = "/" + made.path.removeprefix(get_script_prefix())
    made.META = {**request.META, "QUERY_STRING": parts.query, "CONTENT_TYPE": FORM_TYPES[0], "REQUEST_METHOD": method}
    made.content_type, made.content_params = FORM_TYPES[0], {}
    made.COOKIES = request.COOKIES
    made.GET = QueryDict(parts.query)
    made.POST = _fields(told.get("fields", []))  # type: ignore[assignment] # as a form would have filled it
    made.FILES = MultiValueDict()
    made._read_started = True  # type: ignore[attr-defined] # Django's own mark that it is read
    made._body = b""
    _share(request, made)
    try:
        made.resolver_match = resolve(made.path_info)
    except Resolver404 as exc:
        raise BadRequest('"path" leads nowhere on this site. Send the address that the form is sent to.') from exc
    return made


def hand_back(request: HttpRequest, made: HttpRequest) -> None:
    """Takes over what asking for the made-up request left: the binding cookie that this answer has to set."""
    _share(made, request)


def _share(source: HttpRequest, target: HttpRequest) -> None:
    for name in SHARED:
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


def _fields(pairs: Any) -> QueryDict:
    found = QueryDict(mutable=True)
    if not isinstance(pairs, list):
        raise BadRequest('"fields" is not a list. Send pairs: [["amount", "5"]].')
    limit: int | None = getattr(settings, "DATA_UPLOAD_MAX_NUMBER_FIELDS", None)
    if limit is not None and len(pairs) > limit:
        raise TooManyFieldsSent("More fields than DATA_UPLOAD_MAX_NUMBER_FIELDS.")
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise BadRequest('"fields" holds something else than pairs of texts. Send [["amount", "5"]].')
        name, value = pair
        found.appendlist(name, value.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n"))  # as a form sends
    return found


def requirement_for(made: HttpRequest, action: str) -> Requirement | None:
    """What the view of a made-up request asks for this action; None when it does not, not of this method."""
    match = made.resolver_match
    asked = requirements_of(match.func) if match else ()
    for one in asked:
        if (one.action or enforcement.sign_in_action()) == action:
            return one if one.applies(made, one.policy()) else None
    return None
