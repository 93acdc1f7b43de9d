"""What the tenant's people set up: in Authsignal's portal there, by the Management API and the dashboard here."""

from __future__ import annotations

import uuid

from django.db import models


class Tenant(models.Model):
    """The one row of tenant-wide settings."""

    name = models.CharField(max_length=255, default="Authsignal emulator")
    disable_recovery_codes = models.BooleanField(default=False)
    token_duration_in_minutes = models.PositiveIntegerField(default=10)
    hide_success_screen_on_enrollment = models.BooleanField(default=False)
    theme = models.JSONField(default=dict)  # of the hosted pages: primaryColor, logoUrl, faviconUrl, ...

    def __str__(self) -> str:
        return self.name


class AuthenticatorConfiguration(models.Model):
    """A method that the tenant offers, or has switched off."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    verification_method = models.CharField(max_length=32, unique=True)
    is_active = models.BooleanField(default=True)
    is_editable_by_user = models.BooleanField(default=True)
    is_hidden_to_user = models.BooleanField(default=False)
    sms_channel = models.CharField(max_length=16, blank=True, default="")

    def __str__(self) -> str:
        return self.verification_method


class ActionConfiguration(models.Model):
    """What the tenant asks of one action code. `verification_methods` None means all."""

    action_code = models.CharField(max_length=64, unique=True)
    default_user_action_result = models.CharField(max_length=16)
    verification_methods = models.JSONField(null=True)
    default_verification_method = models.CharField(max_length=32, blank=True, default="")
    prompt_to_enroll_verification_methods = models.JSONField(default=list)
    verification_webhook_url = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    last_action_created_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.action_code


class Rule(models.Model):
    """A condition that overrides an action's default outcome. The lowest `priority` that matches decides."""

    rule_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    configuration = models.ForeignKey(ActionConfiguration, on_delete=models.CASCADE, related_name="rules")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True, default="")
    is_active = models.BooleanField(default=True)
    priority = models.PositiveSmallIntegerField()  # 0 to 99
    type = models.CharField(max_length=16)  # ALLOW, CHALLENGE, REVIEW or BLOCK
    conditions = models.JSONField(default=dict)  # JsonLogic
    verification_methods = models.JSONField(null=True)
    default_verification_method = models.CharField(max_length=32, blank=True, default="")
    prompt_to_enroll_verification_methods = models.JSONField(default=list)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["configuration", "priority"], name="authsignal_emulator_one_priority")
        ]

    def __str__(self) -> str:
        return self.name
