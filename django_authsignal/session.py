"""What this session has proved and is about to prove: the only place that writes a pass.

Everything lives under one key of Django's session, so that `logout()` and a flush take it all. A pass also names
the user, the user's state and the browser; one that does not fit is not a pass.
"""

import math
import re
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from . import browser, channel
from .client import ConfigurationError, Hidden
from .conf import option
from .identity import hash_of, same, state
from .policy import Policy

KEY = "authsignal"
MAX_OPEN = 8  # challenges one browser may have waiting
MAX_PASSES = 32
DEGRADED_AGE = 300  # seconds that a sign-in counts which an outage let through
PASSWORD_AGE = 300  # seconds in which a proved password lets somebody enrol at a step-up
SKEW = 60  # seconds that a proof may seem to come from the future


class Pass(NamedTuple):
    """A proof that may still count. `at` is Unix seconds; `max_age` seconds, None: as long as the session."""

    # A tuple, for its order: all that stands before the seal is sealed.

    id: str
    action: str
    user: str
    at: float
    max_age: int | None
    scope: str = ""
    method: str = ""
    tenant: str = ""
    one_request: bool = False
    degraded: bool = False
    bind: Sequence[str] = ()  # names of the fields it is bound to
    sent_to: str = ""  # for one request: a keyed hash of its method and path
    seal: str = ""  # a keyed hash of all of this, of its browser and of its user's state; last


_values = itemgetter(*Pass._fields)
_KNOWN_KEY = secrets.token_hex(32)  # see `_given`
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class OpenChallenge:
    """A challenge this session began: where its hosted page is. Never written to the ledger, never logged."""

    id: str
    action: str
    kind: str
    user: str
    scope: str
    url: str
    token: str
    expires: float
    tab: bool = False  # its page was opened in a tab of its own, which goes nowhere when it is proved

    def __repr__(self) -> str:
        return f"<OpenChallenge {self.id} {self.action}>"


def _store(request: HttpRequest) -> dict[str, Any]:
    found = request.session.get(KEY) if hasattr(request, "session") else None
    return found if isinstance(found, dict) else {}


def _part(request: HttpRequest, name: str) -> dict[str, Any]:
    """One part of what is kept here. What an older version or another hand wrote in another form is none."""
    # Not by `_store`: most requests come this way, and each call costs.
    kept = request.session.get(KEY) if hasattr(request, "session") else None
    found = kept.get(name) if isinstance(kept, dict) else None
    return found if isinstance(found, dict) else {}


def _write(request: HttpRequest, **changes: Any) -> None:
    if not hasattr(request, "session"):
        raise ConfigurationError(
            "The request has no session, so no proof can be kept. Put SessionMiddleware in front of "
            "AuthsignalMiddleware; in tests use Django's test client, not RequestFactory."
        )
    request.session[KEY] = {**_store(request), **changes}


def reload(request: HttpRequest) -> None:
    """Reads the session again after a slow call: another tab may have written to it meanwhile."""
    session = getattr(request, "session", None)  # an API may have none
    if session is None:
        return
    if not session.modified and hasattr(session, "_session_cache"):
        del session._session_cache


# Passes


def grant(
    request: HttpRequest,
    user: AbstractBaseUser,
    *,
    id: uuid.UUID,
    action: str,
    at: datetime,
    max_age: int | None,
    scope: str = "",
    method: str = "",
    tenant: str = "",
    one_request: bool = False,
    degraded: bool = False,
    bind: Iterable[str] = (),
    sent_to: str = "",
) -> None:
    """Writes a pass for this user, in this browser. The caller has the proof.

    What no longer counts makes room for it, and what is no better. Beyond `MAX_PASSES` the oldest goes, but those that
    last as long as the session stay longest: they are what somebody signed in with.
    """
    made = Pass(
        id=str(id),
        action=action,
        user=str(user.pk),
        at=at.timestamp(),
        max_age=max_age,
        scope=scope,
        method=method,
        tenant=tenant,
        one_request=one_request,
        degraded=degraded,
        bind=list(bind),
        sent_to=sent_to,
    )
    # Plain texts, no members of enumerations: the seal is of what a store gives back.
    made = Pass._make(str.__str__(item) if isinstance(item, str) else item for item in made)
    made = made._replace(seal=_seal(made, (browser.ensure_value(request), *state(user))))
    items = [item for item in _part(request, "passes").values() if isinstance(item, dict)]
    given = [found for item in items if (found := _given(request, user, item))]
    kept = [item for item in given if _lasts(item, made.at) and not _replaced(item, made)]
    shortest = sorted(kept, key=lambda item: item.max_age is None and not item.one_request)
    pushed = {item.id for item in shortest[: max(0, len(kept) - MAX_PASSES + 1)]}
    _write(request, passes={item.id: item._asdict() for item in [*kept, made] if item.id not in pushed})


def _lasts(found: Pass, now: float) -> bool:
    # What is for one request waits as long as its policy says; that is not known here.
    return found.one_request or found.max_age is None or now - found.at < found.max_age


def _replaced(old: Pass, new: Pass) -> bool:
    """True when the new pass does all that the old one does. One that an outage, or an ALLOW, or a view that asks for a
    young one gave must not end what was proved for longer.
    """
    of_old, of_new = ((item.action, item.scope, item.one_request, item.tenant) for item in (old, new))
    return of_old == of_new and (new.one_request or (_worth(old) <= _worth(new) and _end(old) <= _end(new)))


def _worth(found: Pass) -> int:
    return 0 if found.degraded else 2 if found.method else 1


def _end(found: Pass) -> float:
    return math.inf if found.max_age is None else found.at + found.max_age


def find(
    request: HttpRequest, user: AbstractBaseUser, policy: Policy, scope: str = "", request_scope: str = ""
) -> Pass | None:
    """The pass of this session that lets this user do this action now, in this browser; no network, no query.

    `scope` is what the policy binds; `request_scope` the one request that an ALLOW or a review may have released.
    There is none for an API client, whose passes are elsewhere, nor for a request that trades a password for a token.
    """
    if channel.may_present(request) and (channel.signs_in_once(request) or channel.credential(request)):
        return None
    for item in _part(request, "passes").values():
        if not isinstance(item, dict) or item.get("action") != policy.action:
            continue
        found = _given(request, user, item)
        if found is not None and counts(request, policy, found, scope, request_scope):
            return found
    return None


def holds_others(request: HttpRequest, user: AbstractBaseUser, action: str) -> bool:
    """True when this session holds a pass for the action that was not given to this user as they are now."""
    items = _part(request, "passes").values()
    held = [item for item in items if isinstance(item, dict) and item.get("action") == action]
    return any(_given(request, user, item) is None for item in held)


def one_request_passes(request: HttpRequest) -> list[Pass]:
    """The passes of this session that were given for one request, those that no longer count among them."""
    if not hasattr(request, "session"):
        return []
    accessed = request.session.accessed
    items = _part(request, "passes").values()
    read = (_read(item) for item in items if isinstance(item, dict) and item.get("one_request"))
    found = [item for item in read if item]
    if not found:
        # Looked at for every page: one that asks nothing of the session must not vary by cookie because of it.
        request.session.accessed = accessed
    return found


def _read(item: Any) -> Pass | None:
    try:
        return Pass._make(_values(item))
    except (KeyError, TypeError):
        return None  # written by another version: no pass


def _given(request: HttpRequest, user: AbstractBaseUser, item: dict[str, Any]) -> Pass | None:
    """The pass that was given to this user, as they are now, in this browser, and that this item was written as."""
    seal = item.get("seal")
    # In one expression: the report of an error that a user model raises shows no variable with the cookie.
    theirs = (browser.value(request), *state(user))
    if not isinstance(seal, str) or not theirs[0]:
        return None
    # By a hash of its own, with a key that this process alone has: what is kept of a cookie and a password says
    # nothing. One part alone can hold a NUL, the address.
    known = _known(sha256("\0".join((_KNOWN_KEY, seal, *theirs)).encode("utf-8", "surrogatepass")).digest())
    found: Pass | None
    if known and known[0] == item:
        found = known[1]
        return found
    found = _read(item)
    if found is None or not any(same(seal, _seal(found, theirs, key)) for key in _keys()):
        return None
    # Of the one list in it a copy each: the session's own may be changed in place.
    found = found._replace(bind=list(found.bind))
    known[:] = ({**found._asdict(), "bind": list(found.bind)}, found)
    return found


def _seal(found: Pass, theirs: tuple[str, ...], key: str | bytes | None = None) -> str:
    return hash_of("pass", (*found[:-1], *theirs), key)


def _keys() -> list[str | bytes]:
    # As sessions do: a new SECRET_KEY signs nobody out while the one before is among its fallbacks.
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


@lru_cache(maxsize=2048)
def _known(of: bytes) -> list[Any]:
    """The pass whose seal was found right in this process, as an item and as itself; empty when none was.

    Every guarded request asks for it again, and a keyed hash of all of it takes longer than what else is asked.
    """
    return []


def forget_known() -> None:
    """Has every seal be looked at again, as in a new process."""
    _known.cache_clear()


def counts(request: HttpRequest, policy: Policy, found: Pass, scope: str, request_scope: str) -> bool:
    """True when this pass, whoever was given it, counts for this policy: its action, tenant, scope, method and age."""
    if found.action != policy.action:
        return False
    released = found.one_request and not policy.single_use
    if released and not request_scope:
        return False
    if found.degraded or not (found.method or found.one_request):
        is_enough = not policy.strict  # an outage or an ALLOW let it through: there was no proof
    else:
        # As `accepts` has it, without the call.
        is_enough = not found.method or policy.methods is None or found.method in policy.methods
    given, asked = found.max_age, policy.max_age
    if found.one_request:
        # max_age then says how long it may wait, and 0 or none leaves it the time a challenge has.
        given, asked = given or None, asked or None
        if given is None and asked is None:
            given = policy.challenge_age
    age = time.time() - found.at
    return (
        is_enough
        and found.scope == (request_scope if released else scope)
        and (not policy.single_use or found.one_request)
        and found.tenant == (policy.tenant if isinstance(policy.tenant, str) else option("TENANT_ID", request))
        and age >= -SKEW
        and (given is None or age < given)
        and (asked is None or age < asked)
    )


def seconds_left(found: Pass, policy: Policy) -> int | None:
    """Whole seconds a pass still counts; None: as long as the session."""
    limits = [limit for limit in (found.max_age, policy.max_age) if limit is not None]
    return max(0, int(min(limits) - (time.time() - found.at))) if limits else None


def drop(request: HttpRequest, pass_id: str | None = None) -> None:
    """Drops one pass, or all of them."""
    passes = {} if pass_id is None else {k: v for k, v in _part(request, "passes").items() if k != pass_id}
    if hasattr(request, "session") and KEY in request.session:
        _write(request, passes=passes)


# Open challenges


def remember(request: HttpRequest, challenge: OpenChallenge) -> list[str]:
    """Keeps where an open challenge's hosted page is. Returns the ids pushed out, oldest first, beyond eight."""
    before = {item.id: item for item in map(_read_open, _part(request, "open").values()) if item}
    kept = {**before, challenge.id: challenge}
    pushed = list(kept)[:-MAX_OPEN]
    _write(request, open={key: dict(vars(item)) for key, item in kept.items() if key not in pushed})
    return pushed


def open_challenges(request: HttpRequest) -> list[OpenChallenge]:
    """The challenges this session began and has not finished, newest first, young ones only."""
    found = [item for item in map(_read_open, _part(request, "open").values()) if item]
    return [item for item in reversed(found) if item.expires > time.time()]


def _read_open(item: Any) -> OpenChallenge | None:
    try:
        found = OpenChallenge(**item)
    except TypeError:
        return None  # written by another version
    texts = (found.id, found.action, found.kind, found.user, found.scope, found.url, found.token)
    sound = all(isinstance(text, str) for text in texts) and isinstance(found.expires, int | float)
    sound = sound and isinstance(found.tab, bool)
    # A store gives back plain texts, which the report of any error would show.
    return replace(found, url=Hidden(found.url), token=Hidden(found.token)) if sound and _is_uuid(found.id) else None


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def open_challenge(request: HttpRequest, challenge_id: uuid.UUID) -> OpenChallenge | None:
    """One of them, by its id."""
    return next((item for item in open_challenges(request) if item.id == str(challenge_id)), None)


def open_in_tab(request: HttpRequest, challenge_id: uuid.UUID) -> None:
    """Writes that the page of an open challenge was opened in a tab of its own."""
    kept = _part(request, "open")
    item = open_challenge(request, challenge_id)
    if item and not item.tab:
        _write(request, open={**kept, item.id: {**vars(item), "tab": True}})


def forget(request: HttpRequest, challenge_id: uuid.UUID) -> None:
    """Drops where an open challenge's hosted page was: it is closed."""
    kept = _part(request, "open")
    if str(challenge_id) in kept:
        _write(request, open={key: value for key, value in kept.items() if key != str(challenge_id)})


# Authenticators


def authenticators_seen(request: HttpRequest, now: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Writes which authenticators (id to method) there are. Returns those that are new, and those that are gone.

    Drops every pass when one is gone: it may have been removed on Authsignal's own page, and what was proved with it
    may no longer count.
    """
    before = _store(request).get("authenticators")
    known = {str(key): str(method) for key, method in before.items()} if isinstance(before, dict) else dict(now)
    if not known.keys() <= now.keys():
        drop(request)
    if before != now:
        _write(request, authenticators=dict(now))
    added = {key: method for key, method in now.items() if key not in known}
    return added, {key: method for key, method in known.items() if key not in now}


# Links of break glass


def hold_link(request: HttpRequest, link_id: uuid.UUID, secret: str) -> None:
    """Writes that this browser came with a link, `secret` being the keyed hash of what the link holds."""
    _write(request, link={"id": str(link_id), "secret": secret})


def held_link(request: HttpRequest, link_id: uuid.UUID) -> str:
    """The keyed hash that this browser came with; "" when it came with another link, or none."""
    kept = _part(request, "link")
    return str(kept.get("secret") or "") if kept.get("id") == str(link_id) else ""


# The password and the login


def password_proved(request: HttpRequest, at: float | None = None) -> None:
    """Writes that the signed-in user proved their password, at Unix seconds `at` or now."""
    _write(request, password=_shown(request, at))


def logged_in(request: HttpRequest) -> None:
    """Writes that `login()` was just called, by whatever way of signing in."""
    _write(request, login=_shown(request))


def _shown(request: HttpRequest, at: float | None = None) -> dict[str, Any]:
    # Who and in which browser: a copied session cookie must not enrol while the owner's password is fresh.
    return {
        "at": time.time() if at is None else at,
        "user": request.session.get(SESSION_KEY),
        "browser": browser.ensure(request),
    }


def password_is_recent(request: HttpRequest) -> bool:
    """True when the signed-in user proved their password in this browser within the last 300 s."""
    return _is_recent(request, "password")


def login_is_recent(request: HttpRequest) -> bool:
    """True when the signed-in user logged in in this browser within the last 300 s."""
    return _is_recent(request, "login")


def _is_recent(request: HttpRequest, name: str) -> bool:
    shown = _part(request, name)
    at, user, where = shown.get("at"), shown.get("user"), shown.get("browser")
    return (
        isinstance(at, int | float)
        and -SKEW <= time.time() - at < PASSWORD_AGE
        and isinstance(user, str)
        and user == request.session.get(SESSION_KEY)
        and isinstance(where, str)
        and same(where, browser.current(request))
    )
