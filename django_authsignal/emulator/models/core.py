"""Users, their actions and their ways of proof."""

from __future__ import annotations

import uuid

from django.db import models

ID_LENGTH = 512  # of user ids and idempotency keys; the service's limit is not published


class EmulatedUser(models.Model):
    """A user, made by the first track. The uuid tells a deleted user from a later one of the same `user_id`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.CharField(max_length=ID_LENGTH, unique=True)
    email = models.CharField(max_length=320, blank=True, default="")
    email_verified = models.BooleanField(default=False)
    phone_number = models.CharField(max_length=32, blank=True, default="")
    phone_number_verified = models.BooleanField(default=False)
    username = models.CharField(max_length=255, blank=True, default="")
    display_name = models.CharField(max_length=255, blank=True, default="")
    locale = models.CharField(max_length=35, blank=True, default="")
    custom = models.JSONField(null=True)
    default_method = models.CharField(max_length=32, blank=True, default="")
    # Set on a row that only holds the actions of a deleted user. No token, look-up or query finds it as a user.
    former_id = models.CharField(max_length=ID_LENGTH, blank=True, default="", db_index=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.user_id


class Action(models.Model):
    """One tracked action."""

    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, related_name="actions")
    code = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=ID_LENGTH)
    state = models.CharField(max_length=32)
    outcome = models.CharField(max_length=16)
    was_enrolled = models.BooleanField()  # when it was tracked
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    state_updated_at = models.DateTimeField()
    redirect_url = models.TextField(blank=True, default="")
    redirect_to_settings = models.BooleanField(default=False)
    ip_address = models.CharField(max_length=64, blank=True, default="")
    user_agent = models.TextField(blank=True, default="")
    device_id = models.CharField(max_length=255, blank=True, default="")
    scope = models.CharField(max_length=255, blank=True, default="")
    locale = models.CharField(max_length=35, blank=True, default="")
    custom = models.JSONField(null=True)
    verification_method = models.CharField(max_length=32, blank=True, default="")
    verified_by = models.CharField(max_length=36, blank=True, default="")  # an Authenticator's id, which may be gone
    # As the configuration and the deciding rule had it when the action was tracked; None means all.
    allowed_methods = models.JSONField(null=True)
    default_method = models.CharField(max_length=32, blank=True, default="")
    prompt_to_enroll_methods = models.JSONField(default=list)  # what to offer after a challenge
    rule_ids = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "code", "idempotency_key"], name="authsignal_emulator_one_action")
        ]
        indexes = [models.Index(fields=["user", "created_at"], name="authsignal_emulator_by_user")]

    def __str__(self) -> str:
        return f"{self.code} {self.idempotency_key}"


class Authenticator(models.Model):
    """A way of proof that belongs to a user; it counts only once `verified_at` is set."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, related_name="authenticators")
    # The action whose token began the enrolment: only that one may finish it. None when the Server API enrolled it.
    enrolling_action = models.ForeignKey(Action, on_delete=models.SET_NULL, null=True, related_name="+")
    method = models.CharField(max_length=32)
    created_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    last_verified_at = models.DateTimeField(null=True)
    email = models.CharField(max_length=320, blank=True, default="")
    phone_number = models.CharField(max_length=32, blank=True, default="")
    sms_channel = models.CharField(max_length=16, blank=True, default="")  # by which the last code went
    name = models.CharField(max_length=255, blank=True, default="")
    secret = models.CharField(max_length=128, blank=True, default="")  # base32, of an authenticator app
    last_used_step = models.BigIntegerField(null=True)
    credential_id = models.TextField(blank=True, default="")  # base64url
    # SHA-256 of the credential id: an index must not hold 1,364 characters.
    credential_digest = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001  unique where set
    public_key = models.BinaryField(null=True)  # COSE
    sign_count = models.BigIntegerField(default=0)
    transports = models.JSONField(default=list)
    aaguid = models.CharField(max_length=36, blank=True, default="")
    backed_up = models.BooleanField(default=False)
    device_type = models.CharField(max_length=16, blank=True, default="")
    attachment = models.CharField(max_length=16, blank=True, default="")
    device_id = models.CharField(max_length=255, blank=True, default="")
    # Of a device that signs with a key of its own (push, QR code, in-app); `name` is the device's.
    device_platform = models.CharField(max_length=16, blank=True, default="")
    push_token = models.TextField(blank=True, default="")
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.method} {self.id}"


class RecoveryCode(models.Model):
    """A code shown once; only its keyed hash is kept."""

    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


class Code(models.Model):
    """A code or a link that was sent, for one action of one user; only its keyed hash is kept."""

    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, related_name="codes")
    action = models.ForeignKey(Action, on_delete=models.CASCADE, null=True, related_name="codes")
    authenticator = models.ForeignKey(Authenticator, on_delete=models.CASCADE, related_name="codes")
    method = models.CharField(max_length=32, default="EMAIL_OTP")
    purpose = models.CharField(max_length=16)  # enrol or challenge
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    clicked_at = models.DateTimeField(null=True)  # of a link: opened and confirmed, not yet finalised
    used_at = models.DateTimeField(null=True)  # or replaced by a newer one

    def __str__(self) -> str:
        return f"code {self.pk}"


class WebAuthnChallenge(models.Model):
    """Random bytes that one passkey ceremony signs, once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    challenge = models.CharField(max_length=64, unique=True)  # base64url
    purpose = models.CharField(max_length=16)  # register or authenticate
    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, null=True, related_name="+")
    action = models.ForeignKey(Action, on_delete=models.CASCADE, null=True, related_name="+")
    action_code = models.CharField(max_length=64, blank=True, default="")  # of an anonymous sign-in
    idempotency_key = models.CharField(max_length=ID_LENGTH, blank=True, default="")
    username = models.CharField(max_length=255, blank=True, default="")  # who an anonymous sign-in said would come
    browser = models.CharField(max_length=64, blank=True, default="")  # SHA-256 of the cookie that a /web call set
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.purpose} {self.id}"


class RateEvent(models.Model):
    """One send or one try that counts against a limit."""

    user = models.ForeignKey(EmulatedUser, on_delete=models.CASCADE, null=True, related_name="rate_events")
    kind = models.CharField(max_length=48)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user", "kind", "created_at"], name="authsignal_emulator_rate")]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at}"


class Message(models.Model):
    """What the emulator sent: a line of the inbox."""

    created_at = models.DateTimeField()
    channel = models.CharField(max_length=16)  # email, sms, whatsapp or push
    to = models.CharField(max_length=320)
    subject = models.CharField(max_length=255, blank=True, default="")
    body = models.TextField()
    code = models.CharField(max_length=16, blank=True, default="")
    url = models.TextField(blank=True, default="")  # of a magic link

    def __str__(self) -> str:
        return f"{self.channel} {self.pk}"


class SigningKey(models.Model):
    """A key that tokens are signed with, made once: ES256 for client tokens, RS256 for sessions' access tokens."""

    purpose = models.CharField(max_length=16, unique=True)
    kid = models.CharField(max_length=36)
    private_key = models.TextField()  # PEM

    def __str__(self) -> str:
        return self.kid
