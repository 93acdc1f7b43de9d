"""Who still owes a way of proof, and since when: asked of Authsignal now and then, remembered in the session."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.conf import settings as django_settings
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext

from . import addresses, channel, responses, session
from .binding import SAFE_METHODS
from .client import AuthsignalError, Unreachable
from .conf import get_client, get_settings
from .deadline_conf import Deadline
from .deadline_conf import read as read_setting
from .decision import Decision, Verdict
from .identity import authsignal_id
from .methods import labels_of
from .models import Challenge
from .policy import get_policy
from .steps import Steps

logger = logging.getLogger("django_authsignal")

KEY = "authsignal_enrolment"  # of the session
HAS_AGE = 900  # seconds that "has one" is believed
LACKS_AGE = 60  # seconds that "has none" is, and that an outage is left in peace
REMIND_EVERY = 86_400  # seconds between two reminders of one session


class Standing(Enum):
    """How somebody stands with the deadline."""

    CLEAR = "clear"  # it does not concern them, or they have what it asks for
    DUE = "due"  # they have until then
    OVERDUE = "overdue"
    UNKNOWN = "unknown"  # it is over, and Authsignal does not say what they have


@dataclass(frozen=True)
class EnrolmentDue:
    """What somebody still has to set up, and by when."""

    by: datetime
    methods: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The methods in words; any one of them will do."""
        return labels_of(self.methods)

    @property
    def days_left(self) -> int:
        """Whole days until then; 0 on the last one, and after it."""
        return max(0, (self.by - timezone.now()).days)

    @property
    def overdue(self) -> bool:
        """True when the time is over."""
        return timezone.now() >= self.by


def look(request: HttpRequest, user: AbstractBaseUser) -> Steps[tuple[Standing, EnrolmentDue | None]]:
    """How this user stands. One call (`get_user`) when what the session remembers is old, else none."""
    deadline = read_setting(get_settings().ENROLMENT_DEADLINE)
    if deadline is None or not deadline.who(user):
        return Standing.CLEAR, None
    known = _known(request, user)
    if not _fresh(known, deadline):
        known = yield from _ask(request, user, known)
    if _has(known, deadline):
        return Standing.CLEAR, None
    due = _due(user, deadline)
    if not due.overdue:
        return (Standing.CLEAR, None) if known["failed"] else (Standing.DUE, due)
    if _was_let_in(request, user):
        return Standing.CLEAR, None
    if known["failed"]:
        return _while_unknown(known), due
    return Standing.OVERDUE, due


def note(request: HttpRequest, user: AbstractBaseUser, methods: Iterable[str]) -> EnrolmentDue | None:
    """Remembers what a user has, where it was just read for another purpose; what is still due, None for nothing."""
    deadline = read_setting(get_settings().ENROLMENT_DEADLINE)
    if deadline is None or not deadline.who(user):
        return None
    known = _remember(request, user, {"methods": sorted(methods), "failed": ""})
    return None if _has(known, deadline) else _due(user, deadline)


def _due(user: AbstractBaseUser, deadline: Deadline) -> EnrolmentDue:
    by = deadline.by
    if deadline.grace and _over(by):
        by = deadline.for_joined(_joined(user))
    return EnrolmentDue(by, tuple(sorted(deadline.methods)))


def forget(request: HttpRequest) -> None:
    """What is remembered is out of date: something was added or removed."""
    if KEY in getattr(request, "session", {}):
        del request.session[KEY]


def may_remind(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """True once a day and session; notes that it was said."""
    known = _known(request, user)
    at = known.get("reminded")
    if isinstance(at, int | float) and 0 <= time.time() - at < REMIND_EVERY:
        return False
    request.session[KEY] = {**known, "reminded": time.time()}
    return True


def _known(request: HttpRequest, user: AbstractBaseUser) -> dict[str, Any]:
    found = request.session.get(KEY)
    if not isinstance(found, dict) or found.get("user") != str(user.pk):
        return {"user": str(user.pk), "at": 0, "methods": None, "failed": ""}
    sound = isinstance(found.get("at"), int | float) and isinstance(found.get("methods"), list | None)
    sound = sound and isinstance(found.get("failed"), str)
    return found if sound else {"user": str(user.pk), "at": 0, "methods": None, "failed": ""}


def _remember(request: HttpRequest, user: AbstractBaseUser, changes: dict[str, Any]) -> dict[str, Any]:
    known = {**_known(request, user), **changes, "at": time.time()}
    request.session[KEY] = known
    return known


def _has(known: dict[str, Any], deadline: Deadline) -> bool:
    return bool(deadline.methods & set(known["methods"] or ()))


def _fresh(known: dict[str, Any], deadline: Deadline) -> bool:
    age = HAS_AGE if _has(known, deadline) and not known["failed"] else LACKS_AGE
    return 0 <= time.time() - float(known["at"]) < age


def _ask(request: HttpRequest, user: AbstractBaseUser, known: dict[str, Any]) -> Steps[dict[str, Any]]:
    try:
        found = yield partial(get_client(request).get_user, authsignal_id(user))
    except (AuthsignalError, ValueError) as exc:
        logger.error("Authsignal could not be asked whether somebody has enrolled: %s", exc)
        session.reload(request)
        # What was known before stays: an outage takes nobody's passkey away.
        failed = "unreachable" if isinstance(exc, Unreachable) else "refused"
        return _remember(request, user, {"failed": failed})
    session.reload(request)
    methods = sorted(found.enrolled_verification_methods or ())
    return _remember(request, user, {"methods": methods, "failed": ""})


def _while_unknown(known: dict[str, Any]) -> Standing:
    """An outage lets people on where ON_UNREACHABLE of the sign-in says "allow"; a refusal is no outage."""
    policy = get_policy(get_settings().SIGN_IN_ACTION)
    lets_on = known["failed"] == "unreachable" and policy.on_unreachable == "allow" and not policy.strict
    return Standing.CLEAR if lets_on else Standing.UNKNOWN


def _was_let_in(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """True while a sign-in counts that no proof stands behind: break glass, or an outage. They get in to work."""
    found = session.find(request, user, get_policy(get_settings().SIGN_IN_ACTION))
    return found is not None and found.degraded


def _over(by: datetime) -> bool:
    return timezone.now() >= by


def _joined(user: AbstractBaseUser) -> datetime:
    """When the user joined: `date_joined`, else the ledger's first word of them, else now."""
    joined = getattr(user, "date_joined", None)
    if not isinstance(joined, datetime):
        rows = Challenge.objects.filter(user_pk=str(user.pk)).order_by("created_at")
        joined = rows.values_list("created_at", flat=True).first() or timezone.now()
    if django_settings.USE_TZ and timezone.is_naive(joined):
        joined = timezone.make_aware(joined, timezone.get_default_timezone())
    return joined


# What is answered


def check(request: HttpRequest) -> Steps[HttpResponse | None]:
    """The answer to give instead of a page; None when it may be shown. Sets `request.authsignal.enrolment_due`."""
    user = getattr(request, "user", None)
    if not hasattr(request, "session") or user is None or not user.is_authenticated or channel.is_api(request):
        return None
    standing, due = yield from look(request, user)
    gate = getattr(request, "authsignal", None)
    if gate is not None:
        gate.enrolment_due = due
    if standing is Standing.OVERDUE and due is not None:
        return _lead(request, due)
    if standing is Standing.UNKNOWN:
        request.session.save()  # after a 503 Django does not, and each page would wait for the service anew
        return responses.respond(request, Decision(Verdict.UNREACHABLE, "", return_to=_here(request)))
    if standing is Standing.DUE and due is not None:
        _remind(request, user, due)
    return None


def _lead(request: HttpRequest, due: EnrolmentDue) -> HttpResponse:
    """To the page where a way of proof is set up. A form that was sent is stopped, not silently lost."""
    url = f"{reverse('authsignal:authenticators')}?{urlencode({'next': _here(request)})}"
    if responses.is_htmx(request) or not responses.wants_page(request):
        return _problem(request, due, url)
    if request.method in SAFE_METHODS and not responses.in_frame(request):
        return responses.go(request, url)
    response = responses.page(request, "enrolment_required", {"due": due, "url": url}, status=403)
    if responses.in_frame(request):
        response["X-Frame-Options"] = "SAMEORIGIN"  # it leads out of the frame
    return response


def _here(request: HttpRequest) -> str:
    """The page to come back to: this one, or, where no link can open it, the one it came from."""
    if request.method in SAFE_METHODS and responses.wants_page(request):
        return addresses.local(request, request.get_full_path()) or "/"
    return addresses.own_path(request, request.headers.get("Referer")) or "/"


def _problem(request: HttpRequest, due: EnrolmentDue, url: str) -> HttpResponse:
    body = {
        "type": "about:blank",
        "title": "Set up a way to prove it is you first.",
        "status": 403,
        "code": "enrolment_required",
        "methods": list(due.methods),
        "url": url,
    }
    response = JsonResponse(body, status=403, content_type="application/problem+json")
    if responses.is_htmx(request):
        response["HX-Redirect"] = url
    return responses.protect(request, response)


def _remind(request: HttpRequest, user: AbstractBaseUser, due: EnrolmentDue) -> None:
    """A message of Django's, once a day: it goes away when it was read."""
    if request.method != "GET" or not responses.wants_page(request) or not may_remind(request, user):
        return
    text = gettext("Set up one of these by %(day)s: %(ways)s. After that you need it to go on here.")
    words = text % {
        "day": date_format(timezone.localtime(due.by) if django_settings.USE_TZ else due.by, "DATETIME_FORMAT"),
        "ways": ", ".join(due.labels),
    }
    link = format_html('{} <a href="{}">{}</a>', words, reverse("authsignal:authenticators"), gettext("Set it up now"))
    messages.warning(request, link, fail_silently=True)
