"""Sessions of app clients, and the devices that users were seen on."""

from __future__ import annotations

import uuid

from django.db import models

from .core import EmulatedUser


class AppClient(models.Model):
    """An application that may turn a client token into a session."""

    client_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=255, blank=True, default="")
    custom_claims = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.client_id


class AppSession(models.Model):
    """A session. Refreshing makes a new pair of tokens and ends the old one; only the refresh token's hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(AppClient, on_delete=models.CASCADE, related_name="sessions")
    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, related_name="sessions")
    proof = models.CharField(max_length=80, unique=True)  # what it was made from: one proof makes one session
    verification_method = models.CharField(max_length=32, blank=True, default="")
    access_id = models.UUIDField(default=uuid.uuid4, unique=True)  # the `jti` of the one access token that counts
    refresh_digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    refreshed_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"session {self.id}"


class Device(models.Model):
    """A browser or phone, by the id that its SDK gives it (`__as_aid`), as one user uses it."""

    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, related_name="devices")
    device_id = models.CharField(max_length=255)
    user_agent = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    authenticated_at = models.DateTimeField(null=True)
    invalidated_at = models.DateTimeField(null=True)
    remembered_until = models.DateTimeField(null=True)
    last_verification_method = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "device_id"], name="authsignal_emulator_one_device")]

    def __str__(self) -> str:
        return self.device_id
