"""People who have two ways of proof, and the page where they manage them."""

import pytest

from django_authsignal.client import Client

URL = "/authsignal/authenticators/"


class AtAuthsignal:
    """What Authsignal keeps of people; every user has exactly what is given here."""

    def __init__(self, authsignal):
        self.fake = authsignal
        self.fake.methods = ()  # nobody has anything but what is given
        self.client = Client("key", transport=authsignal)

    def give(self, user, method="PASSKEY", **about):
        enrolled = self.client.enroll_verified_authenticator(str(user.pk), verification_method=method, **about)
        return enrolled.authenticator.user_authenticator_id

    def ids(self, user):
        return [item.user_authenticator_id for item in self.client.get_authenticators(str(user.pk))]

    def take(self, user, authenticator_id):
        self.client.delete_authenticator(str(user.pk), authenticator_id)


@pytest.fixture
def at_authsignal(authsignal):
    return AtAuthsignal(authsignal)


@pytest.fixture
def two_ways(ada, at_authsignal):
    """The ids of Ada's passkey and of her mailed code."""
    return [at_authsignal.give(ada), at_authsignal.give(ada, "EMAIL_OTP", email="ada@example.com")]


@pytest.fixture
def manager(adas, two_ways):
    """Ada's browser with a pass for managing them."""
    adas.step_up(URL)
    return adas
