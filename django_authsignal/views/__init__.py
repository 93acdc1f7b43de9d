"""Our own pages: a person meets them between your site and Authsignal's hosted pages."""

from .authenticators import authenticators
from .break_glass import break_glass
from .callback import callback
from .challenges import challenge, challenges, status
from .passkey import passkey
from .passwordless import sign_in
from .webhook import webhook

__all__ = [
    "authenticators",
    "break_glass",
    "callback",
    "challenge",
    "challenges",
    "passkey",
    "sign_in",
    "status",
    "webhook",
]
