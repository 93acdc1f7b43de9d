"""What a proof is bound to: the values a person saw, as keyed hashes, and the request they came with."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.http.request import RawPostDataException
from django.utils.datastructures import MultiValueDictKeyError

from .client import ConfigurationError
from .client._encode import encode
from .conf import NO_TEXT
from .identity import digest
from .policy import Policy

FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
MAX_EXPONENT = 308  # what a double holds
MAX_DIGITS = 320  # of a number written as text; a longer one is compared as text
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


class UnreadableFields(BadRequest):
    """A bound field is absent, repeated, or in a body that cannot be read: a 400, before anything is asked."""


@dataclass(frozen=True)
class Bound:
    """What one request asks to be proved: the values, their hashes, and the scope that all of it makes."""

    values: Mapping[str, Any] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict)
    scope: str = ""  # what a pass must match: "" when neither bind nor CUSTOM narrows it


NOTHING = Bound()


def read(request: HttpRequest, policy: Policy) -> Bound:
    """Reads what the policy binds from the request.

    Raises UnreadableFields when a bound field is absent, repeated, or in a body that is neither a form nor JSON: what
    is proved and what the view reads must be the same values.
    """
    if not policy.single_use and policy.custom is None:
        return NOTHING
    values = _bound_values(request, policy)
    custom = _read_by(policy.custom, request, policy) if policy.custom else {}
    try:
        hashes = {name: digest("field", name, canonical(value)) for name, value in values.items()}
        return Bound(values, hashes, {**custom, **values}, _scope(request, policy, hashes, custom))
    except RecursionError:
        raise UnreadableFields(f"{policy.action} was given what is nested too deeply. Send a flat object.") from None


def _scope(request: HttpRequest, policy: Policy, hashes: Mapping[str, str], custom: Mapping[str, Any]) -> str:
    parts = [f"{name}={hashes[name]}" for name in sorted(hashes)]
    parts += [f"{name}={canonical(custom[name])}" for name in sorted(custom)]
    if policy.single_use:
        return request_scope(request, *parts)
    return digest("scope", *parts) if parts else ""


def request_scope(request: HttpRequest, *parts: str) -> str:
    """The hash of one request: method, path with query string, and what is bound."""
    return digest("request", request.method or "", request.get_full_path(), *parts)


def _bound_values(request: HttpRequest, policy: Policy) -> dict[str, Any]:
    if callable(policy.bind):
        return _read_by(policy.bind, request, policy)
    if not policy.bind:
        return {}
    if request.method in SAFE_METHODS:
        return {name: _single(request.GET.getlist(name), name) for name in policy.bind}
    # Django reads the form of a POST alone, REST framework those of PUT and PATCH too.
    if request.content_type in FORM_TYPES and (request.method == "POST" or request.POST):
        return {name: _single(request.POST.getlist(name), name) for name in policy.bind}
    if request.content_type == "application/json" or str(request.content_type).endswith("+json"):
        document = _json(request)
        return {name: _dotted(document, name) for name in policy.bind}
    raise UnreadableFields(
        f"{policy.action} needs {', '.join(policy.bind)} as JSON, or as the fields of a form, by POST. Send either."
    )


def _read_by(
    read_values: Callable[[HttpRequest], Mapping[str, Any]], request: HttpRequest, policy: Policy
) -> dict[str, Any]:
    try:
        found = read_values(request)
    except MultiValueDictKeyError as exc:  # request.POST["amount"], and it is not there
        raise UnreadableFields(f"{policy.action} needs the field {exc}. Send it.") from exc
    except (json.JSONDecodeError, RecursionError) as exc:
        raise UnreadableFields(f"{policy.action} needs a body of JSON. Send a JSON object.") from exc
    is_custom = read_values is policy.custom
    named = f"ACTIONS[{policy.action!r}]['CUSTOM']" if is_custom else f"bind of {policy.action}"
    if not isinstance(found, Mapping):
        if is_custom or found is None:
            raise ConfigurationError(f"{named} gave a {type(found).__name__}. Return a dict.")
        raise UnreadableFields(f"{policy.action} needs an object with what is to be proved. Send one.")
    _check_provable(found, policy, named)
    return dict(found)


def _check_provable(found: Mapping[str, Any], policy: Policy, named: str) -> None:
    """Raises ConfigurationError for what code of the project gave wrongly, UnreadableFields for what a request said."""
    try:
        sent = encode(found)  # as the client will: there it would be an error that names no setting
        json.dumps(json.loads(sent), ensure_ascii=False).encode()  # and as a page shows it
    except TypeError as exc:
        raise ConfigurationError(f"{named} gave what cannot be sent. {exc}") from exc
    except UnicodeEncodeError as exc:
        raise UnreadableFields(f"{policy.action} was given half of a character. Send whole ones.") from exc
    except ValueError as exc:  # of a right type, and so what the request said: "nan"
        raise UnreadableFields(f"{policy.action} was given what cannot be proved. {exc}") from exc
    if any(NO_TEXT.search(name) for name in found):
        raise UnreadableFields(f"{policy.action} was given a name that is not text. Send it without NUL.")


def _single(found: Sequence[Any], name: str) -> str:
    if len(found) != 1:
        raise UnreadableFields(f"The field {name!r} must be there exactly once.")
    return _text_of(str(found[0]), name)


def _text_of(value: str, name: str) -> str:
    if NO_TEXT.search(value):
        raise UnreadableFields(f"The field {name!r} is not text. Send it without NUL and halves of characters.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers differ on which of two equal keys counts: what is proved could differ from what the view reads.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableFields("The JSON body names a key twice. Send each key once.")
    return found


def _json(request: HttpRequest) -> Any:
    try:
        body = request.body
    except RawPostDataException as exc:
        raise UnreadableFields(
            "The body was read before it was asked what of it is to be proved. Call request.authsignal.require(…, "
            "bind=…) before request.data, or name the fields on the view: challenge_bind, or challenge_required."
        ) from exc
    try:
        return json.loads(body, object_pairs_hook=_unique, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError, InvalidOperation) as exc:
        raise UnreadableFields("The body is not JSON. Send a JSON object.") from exc


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _dotted(document: Any, name: str) -> Any:
    value = document
    for step in name.split("."):
        if not isinstance(value, dict) or step not in value:
            raise UnreadableFields(f"The field {name!r} must be there exactly once.")
        value = value[step]
    if isinstance(value, dict | list) or value is None:
        raise UnreadableFields(f"The field {name!r} must be text, a number or true or false.")
    if isinstance(value, str):
        return _text_of(value, name)
    if isinstance(value, Decimal) and abs(value.adjusted()) > MAX_EXPONENT:
        raise UnreadableFields(
            f"The field {name!r} is a number out of range."
        )  # a view that writes it out fills the memory
    return value


def canonical(value: Any) -> str:
    """One spelling for one value: 250, "250.00" and Decimal("250.0") agree, as do Unicode forms of one text."""
    if isinstance(value, bool):
        return f"bool:{value}"
    if isinstance(value, int | float | Decimal):
        return _number(Decimal(str(value)))
    if isinstance(value, datetime | date | time | UUID):
        return f"text:{value}" if isinstance(value, UUID) else f"text:{value.isoformat()}"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "map:" + ",".join(f"{len(str(k))}:{k}={canonical(value[k])}" for k in sorted(value, key=str))
    if isinstance(value, Sequence):
        items = [canonical(item) for item in value]
        return "list:" + ",".join(f"{len(item)}:{item}" for item in items)
    return _text(str(value))


def _number(value: Decimal) -> str:
    # By its digits: Decimal.normalize() rounds to 28 of them, and two long account numbers would be one.
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return f"number:{value}"  # NaN, Infinity
    written = "".join(map(str, digits)).lstrip("0")
    significant = written.rstrip("0")
    if not significant:
        return "number:0"
    return f"number:{'-' if sign else ''}{significant}e{exponent + len(written) - len(significant)}"


def _text(value: str) -> str:
    text = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    # Plain ASCII decimals only: "1_000", "١٢" and "1e9" stay text, so that no two readers can disagree on them; so
    # does "0123", which is another account than "123".
    plain = text.lstrip("-")
    zero_led = plain[:1] == "0" and plain[1:2].isdigit()
    if text.isascii() and len(text) <= MAX_DIGITS and plain.replace(".", "", 1).isdigit() and not zero_led:
        try:
            return _number(Decimal(text))
        except InvalidOperation:
            pass
    return f"text:{text}"
