"""What no view answers: unknown addresses, methods and hosts. Programs get the three keys, browsers the sentence."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from django_authsignal.emulator.http import answer
from django_authsignal.emulator.problems import Problem, invalid

_HOST = re.compile(r"([A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, DisallowedHost):
        return _refuse(request, invalid(_about_host(request.META.get("HTTP_HOST", ""))))
    return _refuse(request, invalid("The request is malformed. Check its path and its parameters."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    url = settings.PUBLIC_URL
    text = f"There is nothing at this address. The API is below {url}/v1/, the dashboard is at {url}/."
    return _refuse(request, Problem(404, "not_found", text))


def failed(request: HttpRequest) -> HttpResponse:
    return _refuse(request, Problem(500, "unexpected_error", "The emulator failed; see its log."))


class MethodsMiddleware:
    """A page that refuses a method says so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        allowed = response.headers["Allow"]
        told = _refuse(request, Problem(405, "method_not_allowed", f"This address takes {allowed}."))
        told.headers["Allow"] = allowed
        return told


def _about_host(given: str) -> str:
    found = _HOST.fullmatch(given)  # anything else is no name, and is not repeated
    if not found:
        return "The Host header names no host. Use one of letters, digits, dots and dashes, and --allow-host with it."
    name = found[1].lower()
    return f"The emulator does not answer for the host {name}. Start it with --allow-host {name}."


def _refuse(request: HttpRequest, problem: Problem) -> HttpResponse:
    if "text/html" in request.headers.get("Accept", ""):
        return HttpResponse(f"{problem.description}\n", status=problem.status, content_type="text/plain; charset=utf-8")
    return answer(problem.body(), problem.status)
