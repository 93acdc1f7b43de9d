"""In development: what to do about an emulator that gave no answer to work with. Empty once it is off."""

from collections.abc import Callable

from .client import AuthsignalError
from .client import errors as client
from .conf import Settings, emulator_command, get_settings


def emulator_hint(error: Exception) -> str:
    """What mends `error` of a call to the emulator, in a sentence or two; "" while the emulator is off."""
    settings = get_settings()
    if not settings.emulator or not isinstance(error, AuthsignalError):
        return ""
    said = next((say for kind, say in _HINTS.items() if isinstance(error, kind)), _refused)
    return said(error, settings)


def _no_connection(error: AuthsignalError, settings: Settings) -> str:
    if getattr(error, "reached", False):
        return f"The emulator at {settings.API_URL} closed the connection without an answer. {_FAULT}"
    return f"The emulator does not answer at {settings.API_URL}. Start it: {emulator_command(settings)}"


def _not_asked(error: AuthsignalError, settings: Settings) -> str:
    return (
        f"The emulator at {settings.API_URL} gave no usable answer several times in a row, so it is not asked for "
        f"{settings.BREAKER_PAUSE:g} seconds. If it is not running, start it: {emulator_command(settings)}"
    )


def _crowded(error: AuthsignalError, settings: Settings) -> str:
    return f"{settings.MAX_CALLS} calls to the emulator are under way in this process. Raise MAX_CALLS."


def _too_late(error: AuthsignalError, settings: Settings) -> str:
    return f"The emulator at {settings.API_URL} gave no whole answer within {settings.TIMEOUT:g} seconds. {_FAULT}"


def _broken(error: AuthsignalError, settings: Settings) -> str:
    return f"The emulator at {settings.API_URL} answered {error.status}, an error of its own. {_FAULT}"


def _redirected(error: AuthsignalError, settings: Settings) -> str:
    return f"What answers at {settings.API_URL} redirects, so it is not the emulator. {_OTHER}"


def _unreadable(error: AuthsignalError, settings: Settings) -> str:
    return f"What answers at {settings.API_URL} does not answer as the emulator does. {_FAULT} {_OTHER}"


def _limited(error: AuthsignalError, settings: Settings) -> str:
    return f"The emulator at {settings.API_URL} answered 429, too many requests. {_FAULT}"


def _wrong_key(error: AuthsignalError, settings: Settings) -> str:
    return (
        f"The emulator at {settings.API_URL} does not know this key. Give both the same: API_SECRET_KEY here, "
        "--secret there. Or leave both out."
    )


def _refused(error: AuthsignalError, settings: Settings) -> str:
    return f"The emulator at {settings.API_URL} answered {error.status}; the log of this server says why."


_FAULT = "If a fault is switched on, switch it off on its dashboard, under Faults; if not, its own output says more."
_OTHER = "Or something else has its port: give the emulator another one, and API_URL with it."

# In this order: the first that fits.
_HINTS: dict[type[AuthsignalError], Callable[[AuthsignalError, Settings], str]] = {
    client.CircuitOpen: _not_asked,
    client.TooManyCalls: _crowded,
    client.ConnectionFailed: _no_connection,
    client.TimedOut: _too_late,
    client.ServerError: _broken,
    client.Redirected: _redirected,
    client.UnreadableResponse: _unreadable,
    client.RateLimited: _limited,
    client.Unauthorized: _wrong_key,
}
