"""The pytest plugin: `authsignal`, an Authsignal in memory; `client.pass_challenge`; `authsignal_emulator`, a real one.

Loaded by pytest through its entry point. No test that uses `authsignal` touches the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .fake import FakeAuthsignal


@pytest.fixture
def authsignal() -> Iterator[FakeAuthsignal]:
    """An Authsignal in memory instead of the network: `.challenge()`, `.allow()`, `.block()`, `.fail()`, `.calls`."""
    from django_authsignal.conf import override_transport  # noqa: PLC0415 - needs Django's settings

    from .fake import FakeAuthsignal  # noqa: PLC0415

    fake = FakeAuthsignal()
    with override_transport(fake):
        yield fake
