"""What happened, where it is to be delivered, and the faults that are switched on."""

from __future__ import annotations

import uuid

from django.db import models


class Event(models.Model):
    """One event of the webhooks, with its data as it is sent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    type = models.CharField(max_length=48)
    created_at = models.DateTimeField()
    data = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="authsignal_emulator_recent")]

    def __str__(self) -> str:
        return self.type


class Webhook(models.Model):
    """An address that wants events. `types` [] means all. A synchronous one is asked before a message goes out."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    url = models.TextField()
    types = models.JSONField(default=list)
    is_synchronous = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    logged_until = models.DateTimeField()  # what was created until then has gone out in batches of log records

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """One event on its way to one address."""

    webhook = models.ForeignKey(Webhook, on_delete=models.SET_NULL, null=True, related_name="deliveries")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    url = models.TextField()
    body = models.TextField()  # signed and sent as it is, each time
    state = models.CharField(max_length=16)  # waiting, sending, delivered, failed
    attempts = models.PositiveSmallIntegerField(default=0)  # that have ended
    next_at = models.DateTimeField(null=True)  # when it is due; while sending, when its sender counts as dead
    status = models.PositiveSmallIntegerField(null=True)  # of the last answer
    problem = models.CharField(max_length=255, blank=True, default="")
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [models.Index(fields=["state", "next_at"], name="authsignal_emulator_due")]

    def __str__(self) -> str:
        return f"{self.url} {self.state}"


class Fault(models.Model):
    """The one row that says how the API misbehaves, so that an integrator sees their app under outage."""

    kind = models.CharField(max_length=16, blank=True, default="")  # slow, 500, 429, garbage, drop; "" is none
    delay = models.FloatField(default=5.0)  # seconds, of a slow answer
    path = models.CharField(max_length=64, blank=True, default="")  # only paths that hold this text
    until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.kind or "none"
