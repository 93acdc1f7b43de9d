"""Authsignal as the sender of webhooks: envelopes, batches, and the signature that official libraries make."""

import hmac
import json
import time
import uuid
from base64 import b64encode

KEY = "test_secret_key"
PATH = "/authsignal/webhook/"


def signature(body, key=KEY, at=None):
    """One v2 item, and the time it is for."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.digest(key.encode(), stamp.encode() + b"." + body, "sha256")
    return stamp, b64encode(digest).decode().rstrip("=")


def header(body, *keys, at=None):
    """X-Signature-V2, signed with these keys."""
    made = [signature(body, key, at) for key in keys or (KEY,)]
    return ",".join([f"t={made[0][0]}", *(f"v2={one}" for _, one in made)])


def envelope(kind, data=None, *, inner="data", **more):
    """One event."""
    made = {
        "version": 1,
        "id": str(uuid.uuid4()),
        "source": "https://authsignal.com",
        "time": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "tenantId": "tenant",
        "type": kind,
        inner: data or {},
    }
    return made | more


def record(kind, data=None, **more):
    """One record of a batch."""
    return envelope(kind, data, inner="record", **more)


def post(client, event, **how):
    """Sends an event, or the bytes of one, as Authsignal does."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signed = how.pop("signed", header(body))
    headers = {"X-Signature-V2": signed} if signed else {}
    return client.post(PATH, body, content_type="application/json", headers=headers, **how)


def post_batch(client, *records):
    """Sends a batch."""
    return post(client, {"records": list(records)})
