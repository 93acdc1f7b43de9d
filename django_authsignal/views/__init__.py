"""Our own pages: a person meets them between your site and Authsignal's hosted pages."""

from .authenticators import authenticators
from .callback import callback
from .challenges import challenge, challenges, status
from .passwordless import sign_in

__all__ = ["authenticators", "callback", "challenge", "challenges", "sign_in", "status"]
