"""For Django's own TestCase: `class WithdrawTests(AuthsignalTestMixin, TestCase)`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from django_authsignal.conf import override_transport

from .client import proved_clients
from .fake import FakeAuthsignal

if TYPE_CHECKING:
    from unittest import TestCase
else:
    TestCase = object


class AuthsignalTestMixin(TestCase):
    """`self.authsignal` is an Authsignal in memory; test clients log in with the proof and have `pass_challenge`."""

    authsignal: FakeAuthsignal

    def setUp(self) -> None:
        """Puts the fake in place, until the test ends."""
        super().setUp()
        self.authsignal = FakeAuthsignal()
        stack = ExitStack()
        stack.enter_context(override_transport(self.authsignal))
        stack.enter_context(proved_clients())
        self.addCleanup(stack.close)
