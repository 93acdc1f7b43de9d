"""The one settings dict, `AUTHSIGNAL`, read live through a frozen dataclass that is its schema.

Reading is live: `override_settings` and pytest-django's `settings` fixture work, even for a dict changed in place.
"""

import difflib
import re
import string
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.conf import settings as django_settings
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from . import deadline_conf, limit_conf
from .calls import CacheStore, tell
from .client import Client, ConfigurationError, Hidden, Sealed
from .client.http import address_fault
from .client.types import VerificationMethod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests.adapters import BaseAdapter

US_REGION = "https://api.authsignal.com/v1"
EMULATOR_URL = "http://localhost:9000/v1"
# With CHALLENGE: there as at Authsignal, an action nobody configured is ALLOW, which opens no step-up.
EMULATOR_COMMAND = "python -m django_authsignal.emulator --default-outcome CHALLENGE"
EMULATOR_PREFIX = "emulator_"
ACTION_PATTERN = r"[a-zA-Z0-9_-]{1,64}"

Dotted = str | Callable[..., Any] | None


@dataclass(frozen=True, eq=False)
class Settings:
    """Every key of `AUTHSIGNAL`: its type, its default, its unit."""

    API_SECRET_KEY: str | Callable[[HttpRequest], str] = field(default="", repr=False)
    # Older keys, for webhooks while one rotates.
    API_SECRET_KEY_FALLBACKS: Sequence[str] | Callable[[HttpRequest], Sequence[str]] = field(default=(), repr=False)
    TENANT_ID: str | Callable[[HttpRequest], str] = ""
    API_URL: str | Callable[[HttpRequest], str] = ""  # "": the US region, or the emulator when it is on
    TIMEOUT: float = 5.0  # seconds for one call, all of it
    RETRIES: int = 2  # how often a call is made once more, where twice is the same as once
    BREAKER_FAILURES: int = 5  # calls in a row without a usable answer, after which none is made for a while; 0: never
    BREAKER_PAUSE: float = 10.0  # seconds of that while
    BREAKER_CACHE: str | None = None  # alias of the cache by which processes tell each other
    MAX_CALLS: int = 64  # calls under way at once in one process
    PUBLIC_BASE_URL: str | Sequence[str] | Callable[[HttpRequest], str] | None = None  # origin(s) of redirectUrl
    HOSTED_HOSTS: Sequence[str] = (".authsignal.com",)  # a leading dot: the domain and all below it
    SIGN_IN_ACTION: str = "signIn"
    MAX_AGE: int = 900  # seconds a step-up's proof counts; 0: one request
    ON_ALLOW: str | None = None  # None: "pass" at sign-in, "deny" at step-ups
    UNENROLLED: str | None = None  # None: "enroll" at sign-in, "deny" at step-ups
    ON_UNREACHABLE: str = "deny"
    METHODS: Sequence[str] | None = None  # None: any way of proof
    PASSWORDLESS_METHODS: Sequence[str] = ("PASSKEY",)
    ENFORCE: str | Callable[..., str] = "on"
    CHALLENGE_AGE: int = 600  # seconds a challenge may wait for its proof
    REVIEW_MAX_AGE: int = 86_400  # seconds a review may wait for its release
    ACTIONS: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    MANAGE_ACTION: str = "manageAuthenticators"
    RESET_ACTION: str = "resetAuthenticators"  # staff take another user's ways of proof
    OTP_ACTION: str = ""  # what compat.otp_required asks; "": SIGN_IN_ACTION
    SUDO_ACTION: str = "sudo"  # what compat.sudo_required asks
    ENROLMENT_DEADLINE: Mapping[str, Any] | None = None  # who must have which way of proof, by when
    LIMITS: Mapping[str, Any] | None = field(default_factory=dict)  # tries in a window; over limit_conf.DEFAULTS
    USER_ID: Dotted = None  # callable(user) -> str
    USER_FROM_ID: Dotted = None  # callable(str) -> user or None
    USER_ID_PREFIX: str = ""
    USER_ID_SECRET: str = field(default="", repr=False)  # for identity.opaque_id; never to be changed
    VERIFIED_EMAIL: Dotted = None  # callable(user) -> str or None
    VERIFIED_PHONE: Dotted = None  # callable(user) -> str or None, as +6421123456
    SYNC_USERS: bool | str = False  # True: users that Authsignal knows are followed; "all": new ones too
    CLIENT_IP: Dotted = None  # callable(request) -> str or None
    TRACK_ATTRIBUTES: Dotted = None  # callable(request, user, action) -> dict for Client.track
    EMAIL_HOOK: bool | Dotted = None  # callable(event), or True: Django's own mail sends Authsignal's codes and links
    SMS_HOOK: Dotted = None  # callable(event)
    PUSH_HOOK: Dotted = None  # callable(event)
    VERIFY_HOOK: Dotted = None  # callable(event) -> bool
    COVERAGE_IGNORE: Sequence[str] | Mapping[str, str] = ()  # views that may look sensitive and ask nothing, and why
    EMULATOR: bool | None = None  # None: when DEBUG is on and there is no key

    @property
    def emulator(self) -> bool:
        """True when the emulator stands in for Authsignal."""
        return bool(self.EMULATOR)


def emulator_command(settings: Settings) -> str:
    """The command that starts the emulator where these settings look for it."""
    port = urlsplit(settings.API_URL).port if isinstance(settings.API_URL, str) else None
    return f"{EMULATOR_COMMAND} --port {port}" if port not in (None, 9000) else EMULATOR_COMMAND


KEYS = {f.name: f for f in fields(Settings)}
# Policy keys that one action may set for itself in ACTIONS; LABEL and CUSTOM exist only there.
POLICY_KEYS = (
    "MAX_AGE",
    "ON_ALLOW",
    "UNENROLLED",
    "ON_UNREACHABLE",
    "METHODS",
    "ENFORCE",
    "CHALLENGE_AGE",
    "REVIEW_MAX_AGE",
    "LABEL",
    "CUSTOM",
)
HOOKS = ("EMAIL_HOOK", "SMS_HOOK", "PUSH_HOOK", "VERIFY_HOOK")
DOTTED_KEYS = (
    "USER_ID",
    "USER_FROM_ID",
    "VERIFIED_EMAIL",
    "VERIFIED_PHONE",
    "CLIENT_IP",
    "TRACK_ATTRIBUTES",
    *HOOKS,
)
CHOICES = {
    "ON_ALLOW": ("deny", "pass"),
    "UNENROLLED": ("enroll", "email", "deny", "allow"),
    "ON_UNREACHABLE": ("deny", "allow"),
    "ENFORCE": ("on", "observe"),
    "SYNC_USERS": (False, True, "all"),
}
SHORTEST_SECRET = 32  # characters: who guesses it learns who is behind every id
LARGEST = 2_147_483_647  # what the ledger's column holds
LONGEST_TENANT = 128  # characters, as the ledger keeps them
NUMBERS = {
    "TIMEOUT": (0.001, 3600),
    "RETRIES": (0, 10),
    "BREAKER_FAILURES": (0, 1000),
    "BREAKER_PAUSE": (0.001, 3600),
    "MAX_CALLS": (1, 100_000),
    "MAX_AGE": (0, LARGEST),
    "CHALLENGE_AGE": (1, LARGEST),
    "REVIEW_MAX_AGE": (1, LARGEST),
}  # and the least and most they may be
FRACTIONS = ("TIMEOUT", "BREAKER_PAUSE")
COUNTS = ("RETRIES", "BREAKER_FAILURES", "MAX_CALLS")
ORIGIN = re.compile(r"https?://[^\s/\\?#@]+/?")
CODES = ("SIGN_IN_ACTION", "MANAGE_ACTION", "RESET_ACTION", "OTP_ACTION", "SUDO_ACTION")
ENVIRONMENT = ("API_SECRET_KEY", "TENANT_ID", "API_URL")
FROM_ENVIRONMENT = (*ENVIRONMENT, "USER_ID_SECRET")
SECRETS = ("API_SECRET_KEY", "API_SECRET_KEY_FALLBACKS", "USER_ID_SECRET")
NO_TEXT = re.compile("[\\0\\ud800-\\udfff]")  # NUL and halves of characters: no path, page or database takes them
HOST = re.compile(r"\.?[\w-]+(\.[\w-]+)*")
HOST_HINT = 'Write hosts without scheme, port and path: "auth.shop.example", or ".shop.example" for all below it.'
LISTS = ("API_SECRET_KEY_FALLBACKS", "HOSTED_HOSTS", "METHODS", "PASSWORDLESS_METHODS")


def get_settings() -> Settings:
    """The settings in force now. Raises ConfigurationError, naming key and fix, when AUTHSIGNAL has a fault."""
    raw = getattr(django_settings, "AUTHSIGNAL", None) or {}
    debug = bool(django_settings.DEBUG)
    global _last
    if _last is not None and _last[1] == debug and _last[0] == raw:
        return _last[2]
    faults = problems(raw)
    if faults:
        raw = None  # error reports show the variables of a frame, and this one holds the key
        raise ConfigurationError(f"{faults[0].text} {faults[0].hint}")
    built = _build(raw, debug=debug)
    # A deep copy of the containers, so that a dict changed in place no longer compares equal.
    _last = (_copy(raw), debug, built)
    return built


def settings_for(request: HttpRequest) -> Settings:
    """The settings in force when this request first asked for them: every guarded request asks twice."""
    found: Settings | None = vars(request).get("_authsignal_settings")
    if found is None:
        found = get_settings()
        request._authsignal_settings = found  # type: ignore[attr-defined] # ours, kept on the request
    return found


_last: tuple[Any, bool, Settings] | None = None


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copy(item) for item in value) if type(value) in (list, tuple) else value
    return set(value) if isinstance(value, set) else value


def hide_secrets() -> None:
    """Has the secrets that stand in AUTHSIGNAL hide where it is printed: `diffsettings`, and dumps of all settings.

    In place, for the module that defines the dict is printed too.
    """
    raw = getattr(django_settings, "AUTHSIGNAL", None)
    if not isinstance(raw, dict):
        return
    for key in SECRETS:
        value = raw.get(key)
        if isinstance(value, str):
            raw[key] = Hidden(value)
        elif isinstance(value, list | tuple | set | frozenset):
            raw[key] = type(value)(Hidden(one) if isinstance(one, str) else one for one in value)


def _build(raw: Mapping[str, Any], *, debug: bool) -> Settings:
    # None for one of these is what os.environ.get() gives of a variable that is not set: as if left out.
    given = Settings(**{key: value for key, value in raw.items() if value is not None or key not in FROM_ENVIRONMENT})
    on = given.EMULATOR if given.EMULATOR is not None else debug and not given.API_SECRET_KEY
    if not on:
        return replace(given, EMULATOR=False, API_URL=given.API_URL or US_REGION)
    return replace(
        given,
        EMULATOR=True,
        API_URL=given.API_URL or EMULATOR_URL,
        API_SECRET_KEY=given.API_SECRET_KEY or "emulator_secret",
        TENANT_ID=given.TENANT_ID or "emulator",
    )


@dataclass(frozen=True)
class Problem:
    """One fault of the settings dict: what is wrong, and the sentence that mends it."""

    text: str
    hint: str


def is_sound() -> bool:
    """True when the AUTHSIGNAL dict has no fault; the checks and every reading name the faults."""
    return not problems(getattr(django_settings, "AUTHSIGNAL", None) or {})


def problems(raw: Any) -> list[Problem]:
    """Every fault of an AUTHSIGNAL dict, in words; empty when it is sound. Secrets are never quoted."""
    if not isinstance(raw, Mapping):
        return [Problem("AUTHSIGNAL is not a dict.", 'Write AUTHSIGNAL = {"API_SECRET_KEY": …} in settings.py.')]
    found = [*_unknown(raw, tuple(KEYS), "AUTHSIGNAL"), *_values(raw, "AUTHSIGNAL")]
    actions = raw.get("ACTIONS", {})
    if not isinstance(actions, Mapping):
        return [
            *found,
            Problem('AUTHSIGNAL["ACTIONS"] is not a dict.', "Map action codes to dicts of policy keys."),
        ]
    for code, policy in actions.items():
        found += _action(code, policy)
    sign_in = raw.get("SIGN_IN_ACTION", "signIn")
    own = actions.get(sign_in) if isinstance(sign_in, str) else None
    if isinstance(own, Mapping) and own.get("MAX_AGE") == 0:
        text = f'AUTHSIGNAL["ACTIONS"][{sign_in!r}]["MAX_AGE"] is 0, so no sign-in would ever count.'
        found.append(Problem(text, "Give it an age in seconds, or leave it out: as long as the session."))
    return found


def _action(code: Any, policy: Any) -> list[Problem]:
    where = f'AUTHSIGNAL["ACTIONS"][{code!r}]'
    if not valid_action(code):
        return [Problem(f"{where}: not an action code.", ACTION_HINT)]
    if not isinstance(policy, Mapping):
        return [Problem(f"{where} is not a dict.", f"Use policy keys: {', '.join(POLICY_KEYS)}.")]
    return [*_unknown(policy, POLICY_KEYS, where), *_values(policy, where)]


SECRET_HINT = "Make one once, to keep for ever: python -c 'import secrets; print(secrets.token_urlsafe(48))'"  # noqa: S105  a name, no secret
LABEL_HINT = 'Write plain words, such as "Withdraw {amount}".'
ACTION_HINT = "An action code is 1 to 64 letters, digits, '-' and '_', as in Authsignal's portal."


def valid_action(code: Any) -> bool:
    """True for a code that Authsignal takes (docs.authsignal.com, track action)."""
    return (
        isinstance(code, str)
        and 0 < len(code) <= 64
        and code.isascii()
        and code.replace("-", "_").replace("_", "a").isalnum()
    )


def _unknown(raw: Mapping[Any, Any], known: Sequence[str], where: str) -> list[Problem]:
    found = []
    for key in raw:
        if key not in known:
            close = difflib.get_close_matches(str(key).upper(), known, n=1, cutoff=0.5)
            hint = f"Did you mean {close[0]!r}?" if close else f"It knows: {', '.join(known)}."
            found.append(Problem(f"{where} has an unknown key {key!r}.", hint))
    return found


def _values(raw: Mapping[Any, Any], where: str) -> list[Problem]:
    found = []
    for key, value in raw.items():
        fault = _fault(key, value)
        if fault:
            found.append(Problem(f"{where}[{key!r}] {fault[0]}", fault[1]))
    return found


def _fault(key: Any, value: Any) -> tuple[str, str] | None:
    if key in CHOICES:
        allowed = CHOICES[key]
        if value in allowed or (value is None and key in ("ON_ALLOW", "UNENROLLED")):
            return None
        if key == "ENFORCE":
            ok = _importable(value)
            return _async_fault(value) if ok else (f"is {value!r}.", f"Use one of {allowed} or a callable.")
        return f"is {value!r}.", f"Use one of {allowed}."
    if key in NUMBERS:
        return _number_fault(key, value)
    if key == "EMAIL_HOOK" and isinstance(value, bool):
        return None
    if key in DOTTED_KEYS or key == "CUSTOM":
        ok = value is None or _importable(value)
        if not ok:
            return f"cannot be imported: {value!r}.", "Use a dotted path to a callable."
        return None if key in HOOKS else _async_fault(value)
    if key == "API_SECRET_KEY_FALLBACKS" and callable(value):
        return _async_fault(value)
    if key in LISTS or (key == "COVERAGE_IGNORE" and not isinstance(value, Mapping)):
        return _list_fault(key, value)
    if key == "COVERAGE_IGNORE" and not all(isinstance(item, str) for pair in value.items() for item in pair):
        return "holds something that is not a string.", "Map each view to the reason why it asks nothing."
    return _plain_fault(key, value)


def _async_fault(value: Any) -> tuple[str, str] | None:
    # What it returns would be awaited by nobody, and count as no answer at all.
    made = resolve(value)
    if not (iscoroutinefunction(made) or iscoroutinefunction(getattr(made, "__call__", None))):  # noqa: B004  callable() does not say whether it is async
        return None
    return f"is async: {value!r}.", "Use a plain function; it may call async code by async_to_sync."


def _number_fault(key: str, value: Any) -> tuple[str, str] | None:
    whole = key not in FRACTIONS
    least, most = NUMBERS[key]
    if (type(value) is int or (not whole and type(value) is float)) and least <= value <= most:
        return None
    kind = f"{'whole ' if whole else ''}number{'' if key in COUNTS else ' of seconds'}"
    return f"is {value!r}.", f"Use a {kind} from {least} to {most}."


def _list_fault(key: str, value: Any) -> tuple[str, str] | None:
    if value is None and key == "METHODS":
        return None
    if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset):
        return "is not a list.", "Write it as a list of strings."
    if not all(isinstance(item, str) for item in value):
        return "holds something that is not a string.", "Write it as a list of strings."
    if key == "API_SECRET_KEY_FALLBACKS":
        return next((fault for fault in map(_key_fault, value) if fault), None)
    if key == "HOSTED_HOSTS":
        bad = next((item for item in value if not HOST.fullmatch(item)), None)
        return None if bad is None else (f"names {bad!r}, which is no host.", HOST_HINT)
    if "METHODS" in key:
        for item in value:
            if item not in VerificationMethod.__members__:
                close = difflib.get_close_matches(item.upper(), list(VerificationMethod.__members__), n=1)
                return (
                    f"names an unknown method {item!r}.",
                    f"Did you mean {close[0]!r}?" if close else "See the list of verification methods.",
                )
        if not value:
            return "is empty: nothing could ever pass.", "Leave it out to accept any method."
    return None


def _plain_fault(key: Any, value: Any) -> tuple[str, str] | None:
    if key in CODES and not (key == "OTP_ACTION" and value == ""):
        return None if valid_action(value) else (f"is {value!r}, not an action code.", ACTION_HINT)
    if key == "USER_ID_PREFIX":
        ok = isinstance(value, str) and not NO_TEXT.search(value)
        return None if ok else ("is not a text.", "Write a short prefix, such as 'staging-'.")
    if key == "USER_ID_SECRET":
        # Never quoted: whoever reads it can tell whose id is whose.
        if value is None or (isinstance(value, str) and (not value or len(value) >= SHORTEST_SECRET)):
            return None
        return f"is not a string of {SHORTEST_SECRET} characters or more.", SECRET_HINT
    if key == "LABEL":
        return _label_fault(value)
    if key in ENVIRONMENT:
        if key == "API_URL" and isinstance(value, str) and value:
            return _api_url_fault(value)
        if key == "API_SECRET_KEY" and isinstance(value, str):
            return _key_fault(value)
        if key == "TENANT_ID" and isinstance(value, str):
            return _tenant_fault(value)
        if value is None or callable(value) or isinstance(value, str):
            return None
        return "is neither a string nor a callable(request).", "Give the value from Authsignal's portal."
    if key == "BREAKER_CACHE":
        hint = 'Name one of CACHES that all processes reach, such as "default", or None.'
        return None if value is None or (isinstance(value, str) and value) else (f"is {value!r}, no alias.", hint)
    if key == "EMULATOR":
        return None if value in (None, True, False) else (f"is {value!r}.", "Use None, True or False.")
    if key == "PUBLIC_BASE_URL":
        return origin_fault(value)
    if key == "ENROLMENT_DEADLINE":
        return deadline_conf.fault(value)
    if key == "LIMITS":
        return limit_conf.fault(value)
    return None


def _key_fault(value: str) -> tuple[str, str] | None:
    # Never quoted. As the client has it: it would refuse the key at the first call, and people would meet that.
    if not value or (value.isascii() and value.isprintable() and value == value.strip() and ":" not in value):
        return None
    return (
        "holds a line break, a space at an end, a colon or a character outside ASCII.",
        "Copy the key alone from Authsignal's portal.",
    )


def _tenant_fault(value: str) -> tuple[str, str] | None:
    # The ledger would keep a part of it, and no proof would ever be of the tenant that it was asked for.
    if len(value) <= LONGEST_TENANT and not NO_TEXT.search(value):
        return None
    text = f"is no tenant's id: longer than {LONGEST_TENANT} characters, or with NUL or half of a character in it."
    return text, "Copy the tenant id alone from Authsignal's portal."


def _api_url_fault(value: str) -> tuple[str, str] | None:
    fault = address_fault(value)  # as the client has it: it would refuse the address at the first call
    if fault:
        return fault, f"Write the address of your region, such as {US_REGION!r}."
    parts = urlsplit(value)
    host = parts.hostname or ""
    if parts.path.strip("/") or not (host.endswith(".authsignal.com") or host in ("localhost", "127.0.0.1", "::1")):
        return None
    return f"is {value!r}, without its version.", f"Write {value.rstrip('/') + '/v1'!r}."


def _label_fault(value: Any) -> tuple[str, str] | None:
    if not isinstance(value, str):
        lazy = hasattr(value, "__html__") or hasattr(value, "_proxy____args")
        return None if lazy else ("is not a string.", LABEL_HINT)
    if NO_TEXT.search(value):
        return "holds NUL or half of a character.", LABEL_HINT
    try:
        holes = [(name, how) for _, name, _, how in string.Formatter().parse(value) if name is not None]
    except ValueError:
        holes = [("", None)]  # a brace too few, or too many
    if all(name and not name.isdigit() and how in (None, "s", "r", "a") for name, how in holes):
        return None
    return f"cannot be filled: {value!r}.", 'Write names of fields in braces: "Withdraw {amount}".'


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def origin_fault(value: Any) -> tuple[str, str] | None:
    if value is None or callable(value):
        return None
    origins = [value] if isinstance(value, str) else value
    for origin in (origins or [origins]) if isinstance(origins, Sequence) else [origins]:
        if not isinstance(origin, str) or not _is_address(origin) or not ORIGIN.fullmatch(origin):
            return f"is {origin!r}.", 'Write an origin: "https://shop.example", no path.'
    return None


def _importable(value: Any) -> bool:
    try:
        return callable(resolve(value))
    except (ImportError, TypeError, ValueError):
        return False


@lru_cache(maxsize=64)
def _imported(path: str) -> Any:
    return import_string(path)


def resolve(value: Any) -> Any:
    """A callable from a setting: given as itself, or by its dotted path. Raises ImportError."""
    return _imported(value) if isinstance(value, str) else value


def option(name: str, request: HttpRequest) -> str:
    """One of API_SECRET_KEY, TENANT_ID, API_URL for this request: the value, or what the callable says."""
    value = getattr(get_settings(), name)
    if not callable(value):
        return cast("str", value)
    said = value(request)
    if not isinstance(said, str):
        kind = type(said).__name__
        del said  # it may be the key, as bytes
        raise ConfigurationError(f"{name} is a callable, and gave a {kind}. Return a string.")
    fault = _tenant_fault(said) if name == "TENANT_ID" else None
    if fault:
        raise ConfigurationError(f"{name} is a callable, and what it gave {fault[0]} {fault[1]}")
    return said


@sensitive_variables()
def webhook_secrets(request: HttpRequest) -> list[str]:
    """The keys that may have signed a webhook of this request's tenant: the one in force, and those it replaces."""
    newest = Sealed(option("API_SECRET_KEY", request))  # first: what it raises leaves no older key in this frame
    older = get_settings().API_SECRET_KEY_FALLBACKS
    found: Any = older(request) if callable(older) else older
    # Of a text each letter would be a key, and one letter is soon guessed.
    if not isinstance(found, list | tuple | set | frozenset) or not all(isinstance(key, str) for key in found):
        del older, found
        raise ConfigurationError("API_SECRET_KEY_FALLBACKS is a callable, and gave no list of keys. Return a list.")
    return [newest.reveal(), *found]


NO_KEY = "no key"  # what a transport of the tests is given by a project that has none; it never leaves the process
_transport: "BaseAdapter | None" = None
_transports = 0  # how many the tests have brought


@contextmanager
def override_transport(transport: "BaseAdapter | None") -> "Iterator[None]":
    """The tests' seam: every client made inside the block speaks through this requests adapter."""
    global _transport, _transports
    before, _transport = _transport, transport
    _transports += 1
    try:
        yield
    finally:
        _transport = before


def counted_apart() -> str:
    """What keeps the counters of one test from those of the next, which has the same users: "" outside tests."""
    return "" if _transport is None else f"test {_transports}"


@lru_cache(maxsize=64)
def _client(secret: Sealed, **how: Any) -> Client:
    return Client(secret, observer=tell, **how)


@sensitive_variables()
def get_client(request: HttpRequest) -> Client:
    """The pooled client of this request's tenant. Raises ConfigurationError when there is no secret key."""
    secret = Sealed(option("API_SECRET_KEY", request))
    if _transport is not None:
        secret = secret or Sealed(NO_KEY)  # a project that develops without a key runs its tests without one too
    return client_of(secret, option("API_URL", request))


@sensitive_variables()
def client_of(secret: Sealed, url: str) -> Client:
    """The pooled client with this key at this address, which may be other ones than the settings name."""
    settings = get_settings()
    # A test's own transport answers at once, and as the test says: each failure is one, and no later call is spared.
    is_real = _transport is None
    return _client(
        secret,
        api_url=url,
        timeout=settings.TIMEOUT,
        transport=_transport,
        retries=settings.RETRIES if is_real else 0,
        breaker_failures=settings.BREAKER_FAILURES if is_real else 0,
        breaker_pause=settings.BREAKER_PAUSE,
        breaker_store=CacheStore(settings.BREAKER_CACHE) if settings.BREAKER_CACHE else None,
        max_calls=settings.MAX_CALLS,
    )


def background_client() -> Client:
    """The client for work that no request asked for: commands, and what follows a saved user.

    Raises ConfigurationError without a secret key, and where tenants are chosen by the request.
    """
    settings = get_settings()
    for name in ("API_SECRET_KEY", "API_URL"):
        if callable(getattr(settings, name)):
            raise ConfigurationError(
                f"{name} is chosen by the request, and here is none. Run this with settings that name one tenant."
            )
    return get_client(HttpRequest())
