"""Every table of the emulator, as one step: it is taken at the first start, while somebody waits."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    # The three that there were before: a database that has them has this one.
    replaces = [
        ("authsignal_emulator", "0001_initial"),
        ("authsignal_emulator", "0002_rooms"),
        ("authsignal_emulator", "0003_calls"),
    ]
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Action",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=64)),
                ("idempotency_key", models.CharField(max_length=512)),
                ("state", models.CharField(max_length=32)),
                ("outcome", models.CharField(max_length=16)),
                ("was_enrolled", models.BooleanField()),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("state_updated_at", models.DateTimeField()),
                ("redirect_url", models.TextField(blank=True, default="")),
                ("redirect_to_settings", models.BooleanField(default=False)),
                ("ip_address", models.CharField(blank=True, default="", max_length=64)),
                ("user_agent", models.TextField(blank=True, default="")),
                ("device_id", models.CharField(blank=True, default="", max_length=255)),
                ("scope", models.CharField(blank=True, default="", max_length=255)),
                ("locale", models.CharField(blank=True, default="", max_length=35)),
                ("custom", models.JSONField(null=True)),
                ("verification_method", models.CharField(blank=True, default="", max_length=32)),
                ("verified_by", models.CharField(blank=True, default="", max_length=36)),
                ("allowed_methods", models.JSONField(null=True)),
                ("default_method", models.CharField(blank=True, default="", max_length=32)),
                ("prompt_to_enroll_methods", models.JSONField(default=list)),
                ("rule_ids", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="ActionConfiguration",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("action_code", models.CharField(max_length=64, unique=True)),
                ("default_user_action_result", models.CharField(max_length=16)),
                ("verification_methods", models.JSONField(null=True)),
                ("default_verification_method", models.CharField(blank=True, default="", max_length=32)),
                ("prompt_to_enroll_verification_methods", models.JSONField(default=list)),
                ("verification_webhook_url", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField()),
                ("last_action_created_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="AppClient",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("client_id", models.CharField(max_length=64, unique=True)),
                ("name", models.CharField(blank=True, default="", max_length=255)),
                ("custom_claims", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="AuthenticatorConfiguration",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("verification_method", models.CharField(max_length=32, unique=True)),
                ("is_active", models.BooleanField(default=True)),
                ("is_editable_by_user", models.BooleanField(default=True)),
                ("is_hidden_to_user", models.BooleanField(default=False)),
                ("sms_channel", models.CharField(blank=True, default="", max_length=16)),
            ],
        ),
        migrations.CreateModel(
            name="EmulatedUser",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("user_id", models.CharField(max_length=512, unique=True)),
                ("email", models.CharField(blank=True, default="", max_length=320)),
                ("email_verified", models.BooleanField(default=False)),
                ("phone_number", models.CharField(blank=True, default="", max_length=32)),
                ("phone_number_verified", models.BooleanField(default=False)),
                ("username", models.CharField(blank=True, default="", max_length=255)),
                ("display_name", models.CharField(blank=True, default="", max_length=255)),
                ("locale", models.CharField(blank=True, default="", max_length=35)),
                ("custom", models.JSONField(null=True)),
                ("default_method", models.CharField(blank=True, default="", max_length=32)),
                ("former_id", models.CharField(blank=True, db_index=True, default="", max_length=512)),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Fault",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(blank=True, default="", max_length=16)),
                ("delay", models.FloatField(default=5.0)),
                ("path", models.CharField(blank=True, default="", max_length=64)),
                ("until", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField()),
                ("channel", models.CharField(max_length=16)),
                ("to", models.CharField(max_length=320)),
                ("subject", models.CharField(blank=True, default="", max_length=255)),
                ("body", models.TextField()),
                ("code", models.CharField(blank=True, default="", max_length=16)),
                ("url", models.TextField(blank=True, default="")),
            ],
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("purpose", models.CharField(max_length=16, unique=True)),
                ("kid", models.CharField(max_length=36)),
                ("private_key", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="Tenant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(default="Authsignal emulator", max_length=255)),
                ("disable_recovery_codes", models.BooleanField(default=False)),
                ("token_duration_in_minutes", models.PositiveIntegerField(default=10)),
                ("hide_success_screen_on_enrollment", models.BooleanField(default=False)),
                ("theme", models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("url", models.TextField()),
                ("types", models.JSONField(default=list)),
                ("is_synchronous", models.BooleanField(default=False)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                ("logged_until", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Authenticator",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("method", models.CharField(max_length=32)),
                ("created_at", models.DateTimeField()),
                ("verified_at", models.DateTimeField(null=True)),
                ("last_verified_at", models.DateTimeField(null=True)),
                ("email", models.CharField(blank=True, default="", max_length=320)),
                ("phone_number", models.CharField(blank=True, default="", max_length=32)),
                ("sms_channel", models.CharField(blank=True, default="", max_length=16)),
                ("name", models.CharField(blank=True, default="", max_length=255)),
                ("secret", models.CharField(blank=True, default="", max_length=128)),
                ("last_used_step", models.BigIntegerField(null=True)),
                ("credential_id", models.TextField(blank=True, default="")),
                ("credential_digest", models.CharField(max_length=64, null=True, unique=True)),
                ("public_key", models.BinaryField(null=True)),
                ("sign_count", models.BigIntegerField(default=0)),
                ("transports", models.JSONField(default=list)),
                ("aaguid", models.CharField(blank=True, default="", max_length=36)),
                ("backed_up", models.BooleanField(default=False)),
                ("device_type", models.CharField(blank=True, default="", max_length=16)),
                ("attachment", models.CharField(blank=True, default="", max_length=16)),
                ("device_id", models.CharField(blank=True, default="", max_length=255)),
                ("device_platform", models.CharField(blank=True, default="", max_length=16)),
                ("push_token", models.TextField(blank=True, default="")),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "enrolling_action",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="authsignal_emulator.action",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="authenticators",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DeviceChallenge",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("method", models.CharField(max_length=32)),
                ("action_code", models.CharField(blank=True, default="", max_length=64)),
                ("idempotency_key", models.CharField(blank=True, default="", max_length=512)),
                ("device_code_digest", models.CharField(blank=True, default="", max_length=64)),
                ("state", models.CharField(max_length=16)),
                ("custom", models.JSONField(null=True)),
                ("ip_address", models.CharField(blank=True, default="", max_length=64)),
                ("user_agent", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("consumed_at", models.DateTimeField(null=True)),
                (
                    "action",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="authsignal_emulator.action",
                    ),
                ),
                (
                    "authenticator",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="authsignal_emulator.authenticator",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Code",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("method", models.CharField(default="EMAIL_OTP", max_length=32)),
                ("purpose", models.CharField(max_length=16)),
                ("digest", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("clicked_at", models.DateTimeField(null=True)),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "action",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="codes",
                        to="authsignal_emulator.action",
                    ),
                ),
                (
                    "authenticator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="codes",
                        to="authsignal_emulator.authenticator",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="codes",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Challenge",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("action_code", models.CharField(max_length=64)),
                ("idempotency_key", models.CharField(max_length=512)),
                ("method", models.CharField(max_length=32)),
                ("email", models.CharField(blank=True, default="", max_length=320)),
                ("phone_number", models.CharField(blank=True, default="", max_length=32)),
                ("sms_channel", models.CharField(blank=True, default="", max_length=16)),
                ("attributes", models.JSONField(default=dict)),
                ("digest", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("verified_at", models.DateTimeField(null=True)),
                ("claimed_at", models.DateTimeField(null=True)),
                (
                    "action",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="authsignal_emulator.action",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="challenges",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Call",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference_id", models.CharField(max_length=512, unique=True)),
                ("action_code", models.CharField(max_length=64)),
                ("state", models.CharField(blank=True, default="", max_length=32)),
                ("payload", models.JSONField(null=True)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AppSession",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("proof", models.CharField(max_length=80, unique=True)),
                ("verification_method", models.CharField(blank=True, default="", max_length=32)),
                ("access_id", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("refresh_digest", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField()),
                ("refreshed_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to="authsignal_emulator.appclient",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="action",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="actions",
                to="authsignal_emulator.emulateduser",
            ),
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("type", models.CharField(max_length=48)),
                ("created_at", models.DateTimeField()),
                ("data", models.JSONField(default=dict)),
            ],
            options={
                "indexes": [models.Index(fields=["created_at"], name="authsignal_emulator_recent")],
            },
        ),
        migrations.CreateModel(
            name="RateEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=48)),
                ("created_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rate_events",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recovery_codes",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Rule",
            fields=[
                ("rule_id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=255)),
                ("description", models.TextField(blank=True, default="")),
                ("is_active", models.BooleanField(default=True)),
                ("priority", models.PositiveSmallIntegerField()),
                ("type", models.CharField(max_length=16)),
                ("conditions", models.JSONField(default=dict)),
                ("verification_methods", models.JSONField(null=True)),
                ("default_verification_method", models.CharField(blank=True, default="", max_length=32)),
                ("prompt_to_enroll_verification_methods", models.JSONField(default=list)),
                ("created_at", models.DateTimeField()),
                (
                    "configuration",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rules",
                        to="authsignal_emulator.actionconfiguration",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebAuthnChallenge",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("challenge", models.CharField(max_length=64, unique=True)),
                ("purpose", models.CharField(max_length=16)),
                ("action_code", models.CharField(blank=True, default="", max_length=64)),
                ("idempotency_key", models.CharField(blank=True, default="", max_length=512)),
                ("username", models.CharField(blank=True, default="", max_length=255)),
                ("browser", models.CharField(blank=True, default="", max_length=64)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "action",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="authsignal_emulator.action",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("url", models.TextField()),
                ("body", models.TextField()),
                ("state", models.CharField(max_length=16)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_at", models.DateTimeField(null=True)),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("problem", models.CharField(blank=True, default="", max_length=255)),
                ("created_at", models.DateTimeField()),
                ("delivered_at", models.DateTimeField(null=True)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="authsignal_emulator.event",
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="deliveries",
                        to="authsignal_emulator.webhook",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.CreateModel(
            name="Device",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("device_id", models.CharField(max_length=255)),
                ("user_agent", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField()),
                ("authenticated_at", models.DateTimeField(null=True)),
                ("invalidated_at", models.DateTimeField(null=True)),
                ("remembered_until", models.DateTimeField(null=True)),
                ("last_verification_method", models.CharField(blank=True, default="", max_length=32)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="devices",
                        to="authsignal_emulator.emulateduser",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("user", "device_id"), name="authsignal_emulator_one_device")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="action",
            index=models.Index(fields=["user", "created_at"], name="authsignal_emulator_by_user"),
        ),
        migrations.AddConstraint(
            model_name="action",
            constraint=models.UniqueConstraint(
                fields=("user", "code", "idempotency_key"), name="authsignal_emulator_one_action"
            ),
        ),
        migrations.AddIndex(
            model_name="rateevent",
            index=models.Index(fields=["user", "kind", "created_at"], name="authsignal_emulator_rate"),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.UniqueConstraint(
                fields=("configuration", "priority"), name="authsignal_emulator_one_priority"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["state", "next_at"], name="authsignal_emulator_due"),
        ),
    ]
