"""A proof asked for before its request is sent: a page tells what it is about to send, and gets the challenge of that.

The request is made up here, asked about, and thrown away: its values reach Authsignal as they would have, and nothing
of them is kept. The real request is then read, hashed and compared as every other.
"""

from collections.abc import Mapping
from io import BytesIO
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

# Marks of ours that hold for the browser or client, and so for whatever it sends; the others are about one request.
SHARED = (
    *("_authsignal_browser", "_authsignal_started", "_authsignal_cookie"),
    *("_authsignal_credential", "_authsignal_expected"),
)


def imagined(request: HttpRequest, told: Any) -> HttpRequest:
    """The request that a page says it is about to send. Raises BadRequest, ending with what to send instead."""
    if not isinstance(told, Mapping):
        raise BadRequest('"request" is not an object. Send {"method", "path", "fields"}.')
    method, path = told.get("method"), told.get("path")
    if not isinstance(method, str) or method not in HTTP_METHODS:
        raise BadRequest('"method" is not an HTTP method. Send "POST".')
    if not isinstance(path, str) or not path.startswith("/") or not addresses.local(request, path):
        raise BadRequest('"path" is not an address of this site. Send its path and query.')
    parts = urlsplit(path)
    made = _like(request)
    made.method, made.path = method, unquote(parts.path)
    made.path_info = "/" + made.path.removeprefix(get_script_prefix())
    told_meta = {"QUERY_STRING": parts.query, "CONTENT_TYPE": FORM_TYPES[0], "REQUEST_METHOD": method}
    made.META = {**request.META, **told_meta, "PATH_INFO": made.path_info}
    if hasattr(made, "environ"):
        made.environ = made.META
    made.content_type, made.content_params = FORM_TYPES[0], {}
    made.GET = QueryDict(parts.query)
    made.POST = _fields(told.get("fields", []))  # type: ignore[assignment] # as a form would have filled it
    # Django's own marks that the body is read, and holds no files.
    made._files = MultiValueDict()  # type: ignore[attr-defined] # Django's own
    made._read_started, made._body, made._stream = True, b"", BytesIO()  # type: ignore[attr-defined] # Django's own
    try:
        made.resolver_match = resolve(made.path_info)
    except Resolver404 as exc:
        raise BadRequest('"path" leads nowhere on this site. Send the address that the form is sent to.') from exc
    return made


def hand_back(request: HttpRequest, made: HttpRequest) -> None:
    """Takes over what asking for the made-up request left: the binding cookie that this answer has to set."""
    for name in SHARED:
        if hasattr(made, name):
            setattr(request, name, getattr(made, name))


def _like(request: HttpRequest) -> HttpRequest:
    """A request by the same browser, over the same connection, with all that middleware put on this one: a tenant that
    is named by a callable, and the name of the binding cookie, depend on it."""
    made: HttpRequest = object.__new__(type(request))  # by copy.copy() Django leaves out what it cannot pickle
    for name, value in vars(request).items():
        ours = name == "authsignal" or name.startswith("_authsignal_")
        if name != "headers" and (not ours or name in SHARED):  # headers: Django's cached view of META
            setattr(made, name, value)
    return made


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
