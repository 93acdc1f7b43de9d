"""The matrix: every door, every way of authentication, every environment. `python -m tests.doors.table` prints it.

A cell asks without a proof, opens with one, and refuses on BLOCK. A cell that cannot be has its reason here.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tests.pairs import EVERY


class Door(NamedTuple):
    """One way into an effect."""

    kind: str  # page, session, sign-in, admin, rest, ninja, token
    name: str
    path: str
    method: str = "post"
    middleware: str = ""  # one that this door needs


SESSIONS = "django_authsignal.middleware.SignInChallengeMiddleware"
DOORS = (
    Door("page", "function", "/function/", "get"),
    Door("page", "function, POST", "/function/"),
    Door("page", "async function", "/async/function/", "get"),
    Door("page", "async function, POST", "/async/function/"),
    Door("page", "`ChallengeRequiredMixin`", "/mixin/"),
    Door("page", "`ChallengeRequiredMixin`, async", "/async/mixin/"),
    Door("page", "`method_decorator` on `dispatch`", "/dispatch/"),
    Door("page", "`method_decorator` on one method", "/one-method/"),
    Door("page", "`include(…)`", "/include/", "get"),
    Door("page", "`request.authsignal.require`", "/deep/", "get"),
    Door("page", "`request.authsignal.require`, POST", "/deep/"),
    Door("page", "`request.authsignal.arequire`", "/async/deep/", "get"),
    Door("page", "a proof for one request", "/once/"),
    Door("session", "`login_required`", "/members/", "get"),
    Door("session", "`login_required`, async", "/async/members/", "get"),
    Door("session", "`LoginRequiredMixin`", "/members-mixin/"),
    Door("session", "`SignInChallengeMiddleware`", "/plain/", "get", SESSIONS),
    Door("session", "`SignInChallengeMiddleware`, async", "/async/plain/", "get", SESSIONS),
    Door("session", "a page of `AuthsignalAdminSite`", "/guarded-admin/", "get"),
    Door("admin", "add", "/admin/auth/group/add/"),
    Door("admin", "change", "/admin/auth/group/{group}/change/"),
    Door("admin", "delete", "/admin/auth/group/{group}/delete/"),
    Door("admin", "action", "/admin/auth/group/?shout"),
    Door("admin", "`delete_selected`", "/admin/auth/group/?delete_selected"),
    Door("admin", "`list_editable`", "/admin/auth/group/?list_editable"),
    Door("sign-in", "`LoginView`", "/login/"),
    Door("sign-in", "`SignInMixin`", "/own-login/"),
    Door("sign-in", "the admin's sign-in", "/admin/login/"),
    Door("sign-in", "allauth's sign-in", "/accounts/login/"),
    Door("rest", "view", "/rest/view/"),
    Door("rest", "action of a viewset", "/rest/accounts/7/freeze/"),
    Door("rest", "`@api_view`", "/rest/function/"),
    Door("rest", "`include(…)`", "/rest/include/"),
    Door("rest", "`request.authsignal.require`", "/rest/deep/"),
    Door("ninja", "operation", "/ninja/operation/"),
    Door("ninja", "async operation", "/async/ninja/operation/"),
    Door("ninja", "`request.authsignal.require`", "/ninja/deep/"),
    Door("token", "`ObtainAuthToken`", "/token/"),
    Door("token", "`TokenObtainPairView`", "/jwt/"),
    Door("token", "knox's `LoginView`", "/knox/"),
)
WAYS = {
    "password": "a session that a password began, and its proof",
    "login()": "a session that `login()` began without a proof: social login, magic link, impersonation",
    "Basic": "HTTP Basic",
    "Token": "a token of Django REST framework",
    "JWT": "a token of simplejwt",
    "knox": "a token of knox",
    "bearer": "an `HttpBearer` of ninja",
}
SESSION_WAYS = ("password", "login()")
HEADER_WAYS = ("Basic", "Token", "JWT", "knox", "bearer")
ENVIRONMENTS = {
    "plain": "Django's own user, sessions in the database",
    "login required": "with Django's `LoginRequiredMiddleware`",
    "atomic": "`ATOMIC_REQUESTS`",
    "two databases": "a router that keeps the ledger in a second database",
    "cache": "sessions in the cache",
    "cached_db": "sessions in the cache and the database",
    "file": "sessions in files",
    "signed_cookies": "sessions in signed cookies",
    "uuid": "users whose key is a UUID",
    "no_email": "users without an e-mail address",
    "no_username": "users without a name, who sign in by e-mail address",
}
# Set while the tests run; the others are settings of a run of its own.
IN_PROCESS = tuple(ENVIRONMENTS)[:8]
USER_MODELS = tuple(ENVIRONMENTS)[8:]

NO_HEADER = "Django's own views know sessions alone: whoever brings a header is a visitor, and sent to sign in"
PROVED = "a password's session has this proof from its sign-in, where the row of the sign-in asks"
ONLY_PASSWORD = "a sign-in begins with a password: the column password"
NINJA = "ninja reads no such token by itself; a class of yours that does is an `HttpBearer`: the column bearer"
REST = "an `HttpBearer` is ninja's"
PAIR = "it takes the password in its body: the column password"
KNOX = "it takes what its authentication classes read: Basic, or a session"


def impossible(door: Door, way: str) -> str:
    """Why a cell cannot be; "" for one that can."""
    if door.kind in ("page", "session", "admin") and way in HEADER_WAYS:
        return NO_HEADER
    if door.kind == "session" and way == "password":
        return PROVED
    if door.kind == "sign-in" and way != "password":
        return ONLY_PASSWORD
    if door.kind == "rest" and way == "bearer":
        return REST
    if door.kind == "ninja" and way in ("Token", "JWT", "knox"):
        return NINJA
    if door.kind == "token":
        return _token(door, way)
    return ""


def _token(door: Door, way: str) -> str:
    if door.path == "/knox/":
        return "" if way in ("Basic", "login()") else PROVED if way == "password" else KNOX
    return "" if way == "password" else PAIR


IMPOSSIBLE = {(door, way): reason for door in DOORS for way in WAYS if (reason := impossible(door, way))}
CELLS = tuple((door, way) for door in DOORS for way in WAYS if (door, way) not in IMPOSSIBLE)


def rows(environments: Sequence[str]) -> list[tuple[str, Door, str]]:
    """The cells to be walked in these environments: with EVERY=1 all of them; else all of the plain one and one in four
    of the others, each environment other ones."""
    return [
        (environment, door, way)
        for environment in environments
        for number, (door, way) in enumerate(CELLS, [*ENVIRONMENTS].index(environment))
        if EVERY or environment == "plain" or number % 4 == 0
    ]


HEAD = """\
# The doors

Every way into an effect asks the same gate. This table is walked by the tests (`tests/doors`), in every environment
below: each cell **asks** without a proof, **opens** with one, and **refuses** when Authsignal says BLOCK. A number is
the reason why a cell cannot be; a door with such a cell stays closed to that way.

Printed by `python -m tests.doors.table`.
"""
KINDS = {
    "page": "views",
    "session": "views that ask for the sign-in's proof",
    "admin": "the admin",
    "sign-in": "signing in",
    "rest": "Django REST framework",
    "ninja": "django-ninja",
    "token": "views that issue tokens",
}


def page() -> str:
    """docs/doors.md."""
    reasons = list(dict.fromkeys(IMPOSSIBLE.values()))
    lines = [HEAD, f"| door | {' | '.join(WAYS)} |", f"|---|{'---|' * len(WAYS)}"]
    for kind, title in KINDS.items():
        lines.append(f"| **{title}** |{' |' * len(WAYS)}")
        for door in (one for one in DOORS if one.kind == kind):
            cells = [IMPOSSIBLE.get((door, way)) for way in WAYS]
            marks = [str(reasons.index(cell) + 1) if cell else "yes" for cell in cells]
            lines.append(f"| {door.name} | {' | '.join(marks)} |")
    lines += ["", *(f"{number}. {reason}." for number, reason in enumerate(reasons, 1))]
    lines += ["", "## Ways of authentication", "", "| way | what it is |", "|---|---|"]
    lines += [f"| {way} | {about} |" for way, about in WAYS.items()]
    lines += ["", "## Environments", "", "| environment | what it is |", "|---|---|"]
    lines += [f"| {name} | {about} |" for name, about in ENVIRONMENTS.items()]
    count = f"{len(CELLS)} cells by {len(ENVIRONMENTS)} environments: {len(CELLS) * len(ENVIRONMENTS)} in all."
    return "\n".join([*lines, "", count, ""])


if __name__ == "__main__":
    print(page(), end="")
