"""Mistakes with decorators and mixins are errors where the line is, at import."""

import pytest
from django.views import View

from django_authsignal.client import ConfigurationError
from django_authsignal.decorators import challenge_required
from django_authsignal.mixins import ChallengeRequiredMixin


def view(request):
    """A view."""


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: challenge_required(view),
        lambda: challenge_required("with draw"),
        lambda: challenge_required("withdrawFunds", max_age=100_000),
        lambda: challenge_required("withdrawFunds", bind="amount"),
        lambda: challenge_required("withdrawFunds", methods=["STEAL"]),
        lambda: challenge_required("withdrawFunds", methods=[]),
        lambda: type("V", (ChallengeRequiredMixin, View), {}).as_view(),
    ],
)
def test_a_mistake_is_an_error_at_once(mistake):
    with pytest.raises(ConfigurationError):
        mistake()


def test_a_decorated_view_keeps_its_name_and_docstring():
    guarded = challenge_required("withdrawFunds")(view)
    assert (guarded.__name__, guarded.__doc__) == ("view", "A view.")


def test_a_decorated_async_view_is_still_async():
    from asgiref.sync import iscoroutinefunction

    async def aview(request):
        """A view."""

    assert iscoroutinefunction(challenge_required("withdrawFunds")(aview))


def test_put_on_a_plain_method_it_says_what_to_use_instead():
    class Page(View):
        @challenge_required("withdrawFunds")
        def helper(self):
            """Not a view."""

    with pytest.raises(ConfigurationError, match="method_decorator"):
        Page().helper()
