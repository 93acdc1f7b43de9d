"""What `authsignal_doctor` looks at: the setup here, the service there, and the way between them. Changes nothing."""

from collections.abc import Iterator

from ..client import ConfigurationError, Sealed
from ..conf import get_settings
from . import service, setup, way
from .findings import ERROR, NOTE, OK, WARNING, Finding

__all__ = ["ERROR", "NOTE", "OK", "WARNING", "Finding", "examine"]


def examine(*, offline: bool = False, management_key: str | Sealed = "") -> Iterator[Finding]:
    """Everything there is to say, one finding after the other as it is found. No secret is in any of them.

    `offline`: without the network. `management_key`: Authsignal's Management API key, which tells what the portal says
    of each action; without it the ledger has to.
    """
    key = Sealed(management_key)
    del management_key  # the report of an error would show it
    yield from setup.checks()
    try:
        get_settings()
    except ConfigurationError:
        return  # the first finding names it, and nothing else can be read
    yield from setup.surroundings()
    if offline:
        yield Finding(NOTE, "Nothing was asked over the network.", "Leave --offline out to ask Authsignal, too.")
        return
    reached = yield from service.connection()
    yield from service.actions(key if reached else None)
    yield from way.callback()
