"""The pytest plugin: `authsignal`, an Authsignal in memory, and `authsignal_emulator`, a real one.

Loaded by pytest through its entry point. Needs pytest-django. No test that uses `authsignal` touches the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .emulator import RunningEmulator
    from .fake import FakeAuthsignal


@pytest.fixture
def authsignal() -> Iterator[FakeAuthsignal]:
    """An Authsignal in memory instead of the network: `.challenge()`, `.allow()`, `.block()`, `.fail()`, `.calls`.

    Meanwhile test clients have `pass_challenge(action)`, and their `login` and `force_login` include the proof.
    """
    # Imported here: the plugin is loaded before Django's settings are.
    from django_authsignal.conf import override_transport  # noqa: PLC0415  as above

    from .client import proved_clients  # noqa: PLC0415  as above
    from .fake import FakeAuthsignal  # noqa: PLC0415  as above

    fake = FakeAuthsignal()
    with override_transport(fake), proved_clients():
        yield fake


@pytest.fixture(scope="session")
def authsignal_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """A real emulator on a free port, for the whole run: `.settings` are the keys of AUTHSIGNAL that point at it."""
    from .emulator import start  # noqa: PLC0415  as above

    running = start(tmp_path_factory.mktemp("authsignal_emulator"))
    yield running
    running.stop()
