"""What of a stopped form is given back to the browser, to be sent again after the proof. Nothing is kept here.

The same names and values must come again, or none: what a form could not send the same is refused with a reason.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from django.http import HttpRequest
from django.utils.http import escape_leading_slashes
from django.utils.translation import gettext

from .binding import FORM_TYPES
from .policy import words

CSRF_FIELD = "csrfmiddlewaretoken"
MAX_AGAIN = 6  # fields that somebody may be asked to enter again on our page; more are better filled in on their own
ALL = "__ALL__"  # what Django's sensitive_post_parameters() writes when it names none
# Whole words of a field's name, so that "shipping" is no PIN and "author" no authorization.
_SECRET_WORDS = frozenset(
    {"pass", "password", "passwd", "passphrase", "passcode", "passwort", "kennwort", "pwd", "secret", "token", "otp"}
    | {"totp", "pin", "cvc", "cvv", "cvv2", "csc", "ssn", "credential", "credentials", "apikey", "privatekey"}
)
_SECRET_PAIRS = re.compile(r"(card|account|api|private|security|access)_?(number|no|key|code)")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_LONE = re.compile("\r(?!\n)|(?<!\r)\n|[\0\ufffd\ud800-\udfff]")  # what a form would send as something else


@dataclass(frozen=True)
class Field:
    """One field of the form: hidden with its value, or, with a label, to be entered again (a password, a file)."""

    name: str
    value: str = ""
    label: str = ""
    file: bool = False
    many: bool = False
    needed: bool = False  # it came with something in it, and must not go without

    def __repr__(self) -> str:
        return f"<Field {self.name!r}>"  # values never reach a log


@dataclass(frozen=True)
class Kept:
    """A stopped form as the waiting page shows it: hidden fields, fields to enter again, or the reason for neither."""

    fields: tuple[Field, ...] = ()  # in the order in which they came
    address: str = ""
    enctype: str = FORM_TYPES[0]
    refused: str = ""

    @property
    def again(self) -> list[Field]:
        """The fields that somebody enters again."""
        return [one for one in self.fields if one.label]

    def __repr__(self) -> str:
        return f"<Kept {len(self.fields)} fields>"


def keep(request: HttpRequest, resend: Sequence[str] | None = None) -> Kept:
    """What of this request's form may be given back. `resend` lists the only names that may be, when it is given."""
    if request.method != "POST" or request.content_type not in FORM_TYPES:
        return Kept(refused=gettext("It was not sent by a form, so this page cannot send it again."))
    if request.encoding and request.encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        return Kept(refused=gettext("It was not sent as UTF-8, so this page cannot send it the same again."))
    secret = _secret_names(request)
    fields: list[Field] = []
    for name, values in request.POST.lists():
        if name == CSRF_FIELD:
            continue
        if not _sends_the_same(name, values):
            return Kept(refused=gettext("It holds characters that this page could not send the same again."))
        if _is_secret(name, secret, resend):
            # A box for what is not shown has one line, and holds one value.
            many = len(values) > 1 or any("\n" in str(value) for value in values)
            fields.append(Field(name, label=words(name) or name, many=many, needed=any(values)))
        else:
            fields += [Field(name, str(value)) for value in values]
    for name, files in request.FILES.lists():
        fields.append(Field(name, label=words(name) or name, file=True, many=len(files) > 1, needed=True))
    kept = Kept(tuple(fields), own_address(request), str(request.content_type))
    if len(kept.again) > MAX_AGAIN or any(one.many and not one.file for one in kept.again):
        return Kept(refused=gettext("It holds fields that are never shown again, such as passwords or card numbers."))
    return kept


def own_address(request: HttpRequest) -> str:
    """This request's own address, as a link that stays on this site: a path can begin like `//evil`."""
    return escape_leading_slashes(request.get_full_path())


def _sends_the_same(name: str, values: Sequence[Any]) -> bool:
    # A hidden field named _charset_ is filled in by the browser, whatever its value.
    if not name or (name.lower() == "_charset_" and list(values) != ["UTF-8"]):
        return False
    return not any(_LONE.search(str(text)) for text in (name, *values))


def _is_secret(name: str, secret: frozenset[str], resend: Sequence[str] | None) -> bool:
    if name in secret or ALL in secret:
        return True
    return name not in resend if resend is not None else looks_secret(name)


def looks_secret(name: str) -> bool:
    """True for the name of a field that is never shown again, whoever forgot to mark it."""
    found = [word.lower() for word in _WORD.findall(name)]
    return bool(_SECRET_WORDS & set(found)) or bool(_SECRET_PAIRS.search("_".join(found)))


# sensitive_post_parameters: that decorator may sit inside ours and not have run yet


def _secret_names(request: HttpRequest) -> frozenset[str]:
    marked = getattr(request, "sensitive_post_parameters", ())
    names = {ALL} if marked == ALL else set(marked)
    match = request.resolver_match
    if match is not None:
        names |= sensitive_names(match.func)
    return frozenset(names)


def hide_fields(request: HttpRequest, view: Callable[..., Any]) -> None:
    """Marks what `sensitive_post_parameters` around the view will: reports of what fails before it name no value."""
    if request.method == "POST" and not hasattr(request, "sensitive_post_parameters"):
        try:
            names = _names_of(view)
        except TypeError:  # an object that cannot be a key
            names = tuple(sensitive_names(view))
        if names:
            request.sensitive_post_parameters = ALL if ALL in names else names  # type: ignore[attr-defined] # Django's own, for its reports


@lru_cache(maxsize=1024)
def _names_of(view: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(sorted(sensitive_names(view)))


def sensitive_names(view: Callable[..., Any]) -> set[str]:
    """What every `sensitive_post_parameters` around a view, or around its class's methods, names; ALL for all."""
    found: set[str] = set()
    for function in _functions(view):
        # Its own name: __qualname__ is that of the view it wraps.
        code = getattr(function, "__code__", None)
        if code is not None and code.co_qualname.startswith("sensitive_post_parameters.<locals>"):
            names = _closure(function).get("parameters")
            if names is not None:
                found |= set(map(str, names)) or {ALL}
    return found


def _functions(view: Any, depth: int = 12) -> Iterator[Any]:
    """Every function that a view is made of: under wrappers, closures, partials, bound methods, and its class's."""
    waiting, seen = [(view, depth)], set()
    while waiting:
        one, left = waiting.pop()
        if id(one) in seen or left == 0:
            continue
        seen.add(id(one))
        yield one
        waiting += [(inner, left - 1) for inner in _inside(one)]


def _inside(one: Any) -> Iterator[Any]:
    if isinstance(one, partial):
        yield one.func
    for name in ("__wrapped__", "__func__"):
        if hasattr(one, name):
            yield getattr(one, name)
    for value in _closure(one).values():
        yield from (inner for inner in (value if isinstance(value, list | tuple) else [value]) if callable(inner))
    for cls in (getattr(one, "view_class", None), getattr(one, "cls", None)):
        if isinstance(cls, type):
            for name in ("dispatch", "post", "form_valid"):
                yield from (vars(base)[name] for base in cls.__mro__ if name in vars(base))


def _closure(function: Any) -> dict[str, Any]:
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    if code is None or not cells:
        return {}
    found = {}
    for name, cell in zip(code.co_freevars, cells, strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found
