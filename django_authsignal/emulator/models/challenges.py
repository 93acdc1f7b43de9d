"""Challenges outside the hosted pages: stand-alone codes, and those that a device answers."""

from __future__ import annotations

import uuid

from django.db import models

from .core import ID_LENGTH, Action, Authenticator, EmulatedUser


class Challenge(models.Model):
    """A code sent by `POST /challenge`; without a user until it is claimed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, null=True, related_name="challenges")
    action = models.ForeignKey(Action, on_delete=models.CASCADE, null=True, related_name="+")  # once it has a user
    action_code = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=ID_LENGTH)
    method = models.CharField(max_length=32)
    email = models.CharField(max_length=320, blank=True, default="")
    phone_number = models.CharField(max_length=32, blank=True, default="")
    sms_channel = models.CharField(max_length=16, blank=True, default="")
    attributes = models.JSONField(default=dict)  # track's: ipAddress, userAgent, deviceId, locale, scope, custom
    digest = models.CharField(max_length=64)  # keyed hash of the newest code
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.method} {self.id}"


class DeviceChallenge(models.Model):
    """A question that a device answers with a signature: a push, or a QR code until a device claims it.

    `state` is unclaimed, claimed, approved or rejected; a push begins claimed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    method = models.CharField(max_length=32)  # PUSH, QR_CODE or IN_APP
    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, null=True, related_name="+")
    action = models.ForeignKey(Action, on_delete=models.CASCADE, null=True, related_name="+")
    action_code = models.CharField(max_length=64, blank=True, default="")
    idempotency_key = models.CharField(max_length=ID_LENGTH, blank=True, default="")
    authenticator = models.ForeignKey(Authenticator, on_delete=models.CASCADE, null=True, related_name="+")
    device_code_digest = models.CharField(max_length=64, blank=True, default="")
    state = models.CharField(max_length=16)
    custom = models.JSONField(null=True)
    ip_address = models.CharField(max_length=64, blank=True, default="")
    user_agent = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True)  # answered, and the answer was fetched

    def __str__(self) -> str:
        return f"{self.method} {self.id} {self.state}"


class Call(models.Model):
    """A call to a contact centre. `state` is empty until it is finished."""

    reference_id = models.CharField(max_length=ID_LENGTH, unique=True)  # the contact centre's own
    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, null=True, related_name="+")
    action_code = models.CharField(max_length=64)
    state = models.CharField(max_length=32, blank=True, default="")
    payload = models.JSONField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"call {self.reference_id}"
