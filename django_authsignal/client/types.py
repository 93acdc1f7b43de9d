"""The words of the API and its answers, as frozen values. Nothing but the standard library is imported here.

States and methods stay plain strings in the answers: a value that Authsignal adds tomorrow must survive
reading, and fall to the caller's default, never to an exception or to something it is not. Every `from_wire`
raises ValueError, naming the field, when one that every answer must have is missing or of another type;
optional fields of another type are read as absent. `raw` is the answer as it came; keys inside it, and inside
`custom` and `output`, are never renamed. Source: docs.authsignal.com, Server API; the types of
github.com/authsignal/authsignal-node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from ._encode import Hidden

Wire = Mapping[str, Any]


class State(StrEnum):
    """The eight states an action can be in."""

    ALLOW = "ALLOW"
    BLOCK = "BLOCK"
    CHALLENGE_REQUIRED = "CHALLENGE_REQUIRED"
    CHALLENGE_SUCCEEDED = "CHALLENGE_SUCCEEDED"
    CHALLENGE_FAILED = "CHALLENGE_FAILED"
    REVIEW_REQUIRED = "REVIEW_REQUIRED"
    REVIEW_SUCCEEDED = "REVIEW_SUCCEEDED"
    REVIEW_FAILED = "REVIEW_FAILED"


class VerificationMethod(StrEnum):
    """The ways of proof that Authsignal's SDKs and documentation name."""

    SMS = "SMS"
    AUTHENTICATOR_APP = "AUTHENTICATOR_APP"
    RECOVERY_CODE = "RECOVERY_CODE"
    EMAIL_MAGIC_LINK = "EMAIL_MAGIC_LINK"
    EMAIL_OTP = "EMAIL_OTP"
    PUSH = "PUSH"
    DEVICE = "DEVICE"
    QR_CODE = "QR_CODE"
    IN_APP = "IN_APP"
    SECURITY_KEY = "SECURITY_KEY"
    PASSKEY = "PASSKEY"
    VERIFF = "VERIFF"
    IPROOV = "IPROOV"
    PALM_BIOMETRICS_RR = "PALM_BIOMETRICS_RR"
    IDVERSE = "IDVERSE"
    ONFIDO = "ONFIDO"
    APPLE_ID_TOKEN = "APPLE_ID_TOKEN"  # noqa: S105  a name, no secret
    GOOGLE_ID_TOKEN = "GOOGLE_ID_TOKEN"  # noqa: S105  a name, no secret
    WHATSAPP = "WHATSAPP"
    DIGITAL_CREDENTIAL = "DIGITAL_CREDENTIAL"
    OIDC_PROVIDER = "OIDC_PROVIDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """The answer to `track`. `url` and `token` let whoever holds them answer the challenge, so no repr shows
    them."""

    state: str
    idempotency_key: str | None = None
    url: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    is_enrolled: bool = False
    allowed_verification_methods: tuple[str, ...] | None = None
    enrolled_verification_methods: tuple[str, ...] | None = None
    default_verification_method: str | None = None
    rule_ids: tuple[str, ...] = ()
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        return cls(
            state=_required(data, "state"),
            idempotency_key=_text(data, "idempotencyKey"),
            url=_hidden(data, "url"),
            token=_hidden(data, "token"),
            is_enrolled=_true(data, "isEnrolled"),
            allowed_verification_methods=_texts(data, "allowedVerificationMethods"),
            enrolled_verification_methods=_texts(data, "enrolledVerificationMethods"),
            default_verification_method=_text(data, "defaultVerificationMethod"),
            rule_ids=_texts(data, "ruleIds") or (),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """The answer to `validate_challenge`. Only JSON's `true` is valid: the text "true" or the number 1 are
    not."""

    is_valid: bool
    state: str | None = None
    state_updated_at: datetime | None = None
    user_id: str | None = None
    action: str | None = None
    idempotency_key: str | None = None
    verification_method: str | None = None
    error: str | None = None
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        if "isValid" not in data:
            raise ValueError("isValid is missing")
        return cls(
            is_valid=_true(data, "isValid"),
            state=_text(data, "state"),
            state_updated_at=_moment(data, "stateUpdatedAt"),
            user_id=_text(data, "userId"),
            action=_one_action(data),
            idempotency_key=_text(data, "idempotencyKey"),
            verification_method=_text(data, "verificationMethod"),
            error=_text(data, "error"),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One tracked action as it stands now: the answer to `get_action` and `update_action`."""

    state: str
    created_at: datetime | None = None
    state_updated_at: datetime | None = None
    verification_method: str | None = None
    rule_ids: tuple[str, ...] = ()
    output: Wire | None = field(default=None, repr=False)
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        return cls(
            state=_required(data, "state"),
            created_at=_moment(data, "createdAt"),
            state_updated_at=_moment(data, "stateUpdatedAt"),
            verification_method=_text(data, "verificationMethod"),
            rule_ids=_texts(data, "ruleIds") or (),
            output=_object(data, "output"),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueriedAction:
    """One line of a user's history: an item of `query_user_actions`."""

    action: str
    idempotency_key: str
    state: str
    created_at: datetime | None = None
    state_updated_at: datetime | None = None
    verification_method: str | None = None
    verified_by_authenticator_id: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    country_code: str | None = None
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        return cls(
            action=_required(data, "actionCode"),
            idempotency_key=_required(data, "idempotencyKey"),
            state=_required(data, "state"),
            created_at=_moment(data, "createdAt"),
            state_updated_at=_moment(data, "stateUpdatedAt"),
            verification_method=_text(data, "verificationMethod"),
            verified_by_authenticator_id=_text(data, "verifiedByAuthenticatorId"),
            ip_address=_text(data, "ipAddress"),
            user_agent=_text(data, "userAgent"),
            country_code=_text(data, "countryCode"),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionConfiguration:
    """What the portal says of an action: `outcome` is ALLOW, CHALLENGE, REVIEW or BLOCK, unless a rule says more."""

    action: str
    outcome: str | None = None
    verification_methods: tuple[str, ...] | None = None  # None: whatever the tenant offers
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        return cls(
            action=_required(data, "actionCode"),
            outcome=_text(data, "defaultUserActionResult"),
            verification_methods=_texts(data, "verificationMethods"),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user as Authsignal knows it. An unknown one is answered like a known one that is not enrolled."""

    user_id: str | None
    is_enrolled: bool | None = None
    email: str | None = None
    email_verified: bool = False
    phone_number: str | None = None
    phone_number_verified: bool = False
    username: str | None = None
    display_name: str | None = None
    locale: str | None = None
    custom: Wire | None = field(default=None, repr=False)
    allowed_verification_methods: tuple[str, ...] | None = None
    enrolled_verification_methods: tuple[str, ...] | None = None
    default_verification_method: str | None = None
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire, user_id: str | None = None) -> Self:
        """`user_id` is the one that was asked for: not every answer repeats it. `is_enrolled` is None if not
        said."""
        return cls(
            user_id=_text(data, "userId") or user_id,
            is_enrolled=_true(data, "isEnrolled") if "isEnrolled" in data else None,
            email=_text(data, "email"),
            email_verified=_true(data, "emailVerified"),
            phone_number=_text(data, "phoneNumber"),
            phone_number_verified=_true(data, "phoneNumberVerified"),
            username=_text(data, "username"),
            display_name=_text(data, "displayName"),
            locale=_text(data, "locale"),
            custom=_object(data, "custom"),
            allowed_verification_methods=_texts(data, "allowedVerificationMethods"),
            enrolled_verification_methods=_texts(data, "enrolledVerificationMethods"),
            default_verification_method=_text(data, "defaultVerificationMethod"),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPage:
    """One page of `query_users`; give `last_evaluated_user_id` to the next call while it is not None."""

    users: tuple[User, ...]
    last_evaluated_user_id: str | None = None
    token_payload: Wire | None = field(default=None, repr=False)
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        return cls(
            users=tuple(User.from_wire(user) for user in objects(data.get("users"))),
            last_evaluated_user_id=_text(data, "lastEvaluatedUserId"),
            token_payload=_object(data, "tokenPayload"),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebauthnCredential:
    """The passkey or security key behind an authenticator."""

    credential_id: str
    device_id: str | None = None
    name: str | None = None
    aaguid: str | None = None
    backed_up: bool = False
    device_type: str | None = None
    attachment: str | None = None
    verified_at: datetime | None = None
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        return cls(
            credential_id=_required(data, "credentialId"),
            device_id=_text(data, "deviceId"),
            name=_text(data, "name"),
            aaguid=_text(data, "aaguid"),
            backed_up=_true(data, "credentialBackedUp"),
            device_type=_text(data, "credentialDeviceType"),
            attachment=_text(data, "authenticatorAttachment"),
            verified_at=_moment(data, "verifiedAt"),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """One way of proof a user has enrolled."""

    user_authenticator_id: str
    verification_method: str
    user_id: str | None = None
    created_at: datetime | None = None
    verified_at: datetime | None = None
    last_verified_at: datetime | None = None
    is_default: bool = False
    email: str | None = None
    phone_number: str | None = None
    username: str | None = None
    display_name: str | None = None
    previous_sms_channel: str | None = None
    webauthn_credential: WebauthnCredential | None = None
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        credential = _object(data, "webauthnCredential")
        return cls(
            user_authenticator_id=_required(data, "userAuthenticatorId"),
            verification_method=_required(data, "verificationMethod"),
            user_id=_text(data, "userId"),
            created_at=_moment(data, "createdAt"),
            verified_at=_moment(data, "verifiedAt"),
            last_verified_at=_moment(data, "lastVerifiedAt"),
            is_default=_true(data, "isDefault"),
            email=_text(data, "email"),
            phone_number=_text(data, "phoneNumber"),
            username=_text(data, "username"),
            display_name=_text(data, "displayName"),
            previous_sms_channel=_text(data, "previousSmsChannel"),
            webauthn_credential=None if credential is None else WebauthnCredential.from_wire(credential),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledAuthenticator:
    """The answer to `enroll_verified_authenticator`; the recovery codes are shown to the user once, never
    logged."""

    authenticator: Authenticator
    recovery_codes: tuple[str, ...] | None = field(default=None, repr=False)
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        authenticator = _object(data, "authenticator")
        if authenticator is None:
            raise ValueError("authenticator is missing")
        return cls(
            authenticator=Authenticator.from_wire(authenticator),
            recovery_codes=_texts(data, "recoveryCodes"),
            raw=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPasskey:
    """A passkey that `import_passkeys` did not import: with "conflict" it is registered already, maybe elsewhere."""

    user_id: str | None = None
    credential_id: str | None = None
    error_code: str | None = None
    error_description: str | None = None

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        return cls(
            user_id=_text(data, "userId"),
            credential_id=_text(data, "credentialId"),
            error_code=_text(data, "errorCode"),
            error_description=_text(data, "errorDescription"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPasskeys:
    """The answer to `import_passkeys`: how many, and which ones not."""

    total: int
    succeeded: int
    failed: int
    failures: tuple[RefusedPasskey, ...] = ()
    raw: Wire = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        return cls(
            total=_number(data, "total"),
            succeeded=_number(data, "succeeded"),
            failed=_number(data, "failed"),
            failures=tuple(RefusedPasskey.from_wire(item) for item in objects(data.get("failures", []))),
            raw=data,
        )


def objects(value: object) -> tuple[Wire, ...]:
    """The items of a JSON array of objects; ValueError for anything else."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("a list of objects was expected")
    return tuple(value)


def moment(text: object) -> datetime | None:
    """The time in UTC of an ISO 8601 text (without an offset it is UTC), None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: the year 1, 23 hours east of Greenwich
        return None


def _required(data: Wire, key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is missing or not a text")
    return value


def _number(data: Wire, key: str) -> int:
    value = data.get(key)
    if type(value) is not int:
        raise ValueError(f"{key} is missing or not a whole number")
    return value


def _text(data: Wire, key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) else None


def _hidden(data: Wire, key: str) -> Hidden | None:
    value = data.get(key)
    return Hidden(value) if isinstance(value, str) else None


def _texts(data: Wire, key: str) -> tuple[str, ...] | None:
    value = data.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else None


def _true(data: Wire, key: str) -> bool:
    return data.get(key) is True


def _object(data: Wire, key: str) -> Wire | None:
    value = data.get(key)
    return value if isinstance(value, dict) else None


def _moment(data: Wire, key: str) -> datetime | None:
    return moment(data.get(key))


def _one_action(data: Wire) -> str | None:
    """The API sends `action` and `actionCode` with one value; two different ones name no action at all."""
    names = {name for name in (_text(data, "action"), _text(data, "actionCode")) if name}
    return names.pop() if len(names) == 1 else None
