"""django-ninja: a decorator for operations, routers and whole APIs, and one for operations that issue tokens.

Needs the extra: `python -m pip install 'django-authsignal[ninja]'`.
"""

from .decorators import challenge_required, signs_in
from .doors import add_exception_handler, operations_of

__all__ = ["add_exception_handler", "challenge_required", "operations_of", "signs_in"]
