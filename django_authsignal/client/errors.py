"""Everything this client raises, one leaf per thing a caller can do about it.

    Exception
     ├── ConfigurationError         the caller's own settings are wrong; nothing was sent
     ├── ValueError
     │    └── SignatureError        a webhook that is not (or not any more) Authsignal's
     └── AuthsignalError            a call was made, or tried, and has no usable answer
          ├── Unreachable           an outage; a policy may choose to carry on without us
          │    ├── ConnectionFailed     name not resolved, refused, reset, certificate not trusted
          │    ├── TimedOut             the total time for one call ran out
          │    ├── ServerError          5xx
          │    ├── UnreadableResponse   an answer, but not one of this API
          │    │    └── Redirected      3xx: never followed, the secret would travel along
          │    └── CircuitOpen          the last calls had no answer, so none is made for a while
          ├── TooManyCalls          as many calls are under way as may be; not made, and no outage
          └── Refused               the service answered and said no (any 4xx); never an outage
               ├── InvalidRequest   400, 422
               ├── Unauthorized     401
               ├── Forbidden        403
               ├── NotFound         404
               ├── Conflict         409
               └── RateLimited      429, with `retry_after`

No message, `repr` or traceback of these holds the secret key, a token or the body of an answer.
"""

from __future__ import annotations


class ConfigurationError(Exception):
    """The client was set up wrongly: no usable secret key, or an API URL that is none."""

    # Not an AuthsignalError: a handler that carries on during an outage must not swallow it.


class SignatureError(ValueError):
    """A webhook's signature is missing, malformed, wrong, or outside the tolerance."""


class AuthsignalError(Exception):
    """A call that ended without a usable answer.

    `operation` is the client's method; `status`, `code` and `description` are the answer's, where it had
    them. `retry_after` is the seconds after which it is worth asking again, or None where nobody said.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        status: int | None = None,
        code: str | None = None,
        description: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.status = status
        self.code = code
        self.description = description
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments break the default; task queues pickle exceptions.
        return _rebuild, (type(self), str(self), self.__dict__.copy())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


def _rebuild(kind: type[AuthsignalError], message: str, state: dict[str, object]) -> AuthsignalError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class Unreachable(AuthsignalError):
    """An outage: the service did not answer, or not with an answer of its API."""


class ConnectionFailed(Unreachable):
    """No connection, or one that broke before an answer came."""

    reached: bool = False  # the other side was there, and closed it
    untrusted: bool = False  # its certificate was not one to trust
    stale: bool = False  # it was an idle one from the pool, which the other side had closed


class TimedOut(Unreachable):
    """The total time for one call (`timeout`, in seconds) ran out."""


class ServerError(Unreachable):
    """The service answered 5xx."""


class UnreadableResponse(Unreachable):
    """The answer is not JSON, too long, cut off, or lacks what every answer of the operation has."""


class Redirected(UnreadableResponse):
    """The answer is a redirect. It is not followed: the secret must not travel to another host."""


class CircuitOpen(Unreachable):
    """Nothing was sent: too many calls in a row had no usable answer. `retry_after` is the seconds still to wait."""


class TooManyCalls(AuthsignalError):
    """Nothing was sent: this process has as many calls under way as it may."""

    # Not Unreachable: whoever sends a flood of requests makes it happen, and must not open a door by it.


class Refused(AuthsignalError):
    """The service answered 4xx. Asking again, or carrying on, does not help."""


class InvalidRequest(Refused):
    """400 or 422: the service did not accept what was sent."""


class Unauthorized(Refused):
    """401: the secret key is not one of this tenant and region."""


class Forbidden(Refused):
    """403: the key may not do this."""


class NotFound(Refused):
    """404: no such action or authenticator (an unknown user is answered 200)."""


class Conflict(Refused):
    """409: it exists already."""


class RateLimited(Refused):
    """429. `retry_after` is the seconds the service asks to wait, or None if it does not say."""


UNANSWERED = (Unreachable, RateLimited, TooManyCalls)  # nobody said no: it may be asked again in a moment
