"""Django REST framework: a view mixin that asks, a permission that only reads, and guards for views that issue tokens.

Needs the extra: `python -m pip install 'django-authsignal[drf]'`.
"""

from .handlers import exception_handler
from .permissions import HasPassed, has_passed
from .views import ChallengeRequiredMixin, SignInMixin

__all__ = ["ChallengeRequiredMixin", "HasPassed", "SignInMixin", "exception_handler", "has_passed"]
