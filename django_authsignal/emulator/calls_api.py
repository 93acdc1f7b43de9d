"""Call Connect: /call/start and /call/finish. Source: src/call-connect.ts of authsignal-node."""

from __future__ import annotations

from django_authsignal.emulator import calls
from django_authsignal.emulator.server_api import guarded

ROUTES = [
    guarded("call/start", POST=lambda call: calls.start(call.body)),
    guarded("call/finish", POST=lambda call: calls.finish(call.body)),
]
