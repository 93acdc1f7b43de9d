"""The other side: is it there, does it take the key, does its clock agree, and what does it say of each action."""

from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError
from django.utils import timezone

from .. import coverage
from ..client import (
    ActionConfiguration,
    AuthsignalError,
    Client,
    ConfigurationError,
    Sealed,
    Unauthorized,
    Unreachable,
)
from ..client.types import State
from ..conf import CODES, background_client, client_of, get_settings
from ..models import Challenge, Status
from ..policy import Policy, get_policy
from ..session import SKEW
from .findings import ERROR, NOTE, OK, WARNING, Finding

# docs.authsignal.com, regions
REGIONS = {
    "https://api.authsignal.com/v1": "US",
    "https://au.api.authsignal.com/v1": "Sydney",
    "https://eu.api.authsignal.com/v1": "Dublin",
    "https://ca.api.authsignal.com/v1": "Montreal",
}
NOBODY = "authsignal-doctor-nobody"  # a user nobody has: looked up, which makes no user (contract: 200, not enrolled)
RECENT = timedelta(days=30)
HALF = SKEW / 2  # seconds; past SKEW the time of a proof is not believed


def connection() -> Generator[Finding, None, bool]:
    """One look-up, which changes nothing; True when Authsignal answers and takes the key."""
    try:
        client = background_client()
        sent = datetime.now(UTC)
        client.get_user(NOBODY)
    except ConfigurationError as exc:
        yield Finding(ERROR if "chosen by the request" not in str(exc) else NOTE, str(exc))
        return False
    except Unauthorized:
        yield _wrong_key()
        return False
    except AuthsignalError as exc:
        yield Finding(ERROR, f"Authsignal gave no usable answer. {exc}")
        return False
    yield Finding(OK, f"Authsignal answers at {get_settings().API_URL} and takes the key.")
    yield from _clock(client, sent, datetime.now(UTC))
    return True


def _wrong_key() -> Finding:
    settings = get_settings()
    here = str(settings.API_URL).rstrip("/")
    text = f"Authsignal does not take the key at {here}."
    fix = "Copy it again from the portal: Settings, API keys. It must be the server's secret key of this tenant."
    for url, name in REGIONS.items() if here in REGIONS else ():
        if url != here and _takes_it(url):
            return Finding(ERROR, f"{text} It is one of the region {name}.", f'Set API_URL to "{url}".')
    return Finding(ERROR, text, fix)


def _takes_it(url: str) -> bool:
    try:
        client_of(Sealed(str(get_settings().API_SECRET_KEY)), url).get_user(NOBODY)
    except AuthsignalError:
        return False
    return True


def _clock(client: Client, sent: datetime, got: datetime) -> Iterator[Finding]:
    theirs = client.answered_at()
    if theirs is None:
        yield Finding(NOTE, "The answer has no Date, so the clocks could not be compared.")
        return
    # Their second began somewhere between sending and getting; a Date has whole seconds.
    off = max((sent - theirs).total_seconds() - 1, (theirs - got).total_seconds(), 0.0)
    if off < HALF:
        yield Finding(OK, "The clocks agree.")
        return
    text = f"The clock of this machine is {off:.0f} s off Authsignal's."
    text += f" Past {SKEW} s the time of a proof is not believed." if off < SKEW else ""
    yield Finding(WARNING if off < SKEW else ERROR, text, "Set it by NTP: timedatectl set-ntp true.")


def actions(management_key: Sealed | None) -> Iterator[Finding]:
    """Of every action that is used: does its outcome let a proof come about? None: Authsignal cannot be asked."""
    portal = None
    if management_key is not None:
        portal = yield from _portal(management_key)
    try:
        for action in sorted(_used()):
            policy = get_policy(action)
            yield from _by_portal(policy, portal) if portal is not None else _by_ledger(policy)
    except DatabaseError:
        yield Finding(NOTE, "The ledger cannot be read, so the actions were not looked at.", "See its table, above.")


def _used() -> set[str]:
    """The actions of the settings and of every view that could be read."""
    settings = get_settings()
    report = coverage.read()
    asked = {one.action for door in report.doors for one in door.asks}
    declared = set(settings.ACTIONS) | {settings.SIGN_IN_ACTION, settings.MANAGE_ACTION}
    own = {str(getattr(settings, name)) for name in CODES if getattr(settings, name)}
    return declared | asked | (own & _met())


def _met() -> set[str]:
    return set(Challenge.objects.filter(created_at__gt=timezone.now() - RECENT).values_list("action", flat=True))


def _portal(management_key: Sealed) -> Generator[Finding, None, Mapping[str, ActionConfiguration] | None]:
    settings = get_settings()
    # The emulator's Management API takes the secret key; Authsignal's has keys of its own.
    key = management_key or Sealed(str(settings.API_SECRET_KEY) if settings.emulator else "")
    if not key:
        text = "What the portal says of each action is known to the Management API only; below is what the ledger saw."
        yield Finding(NOTE, text, "Give its key in the environment: AUTHSIGNAL_MANAGEMENT_KEY.")
        return None
    try:
        found = client_of(key, str(settings.API_URL)).get_action_configurations()
    except (AuthsignalError, ConfigurationError) as exc:
        fault = "does not answer" if isinstance(exc, Unreachable) else "does not take AUTHSIGNAL_MANAGEMENT_KEY"
        yield Finding(NOTE, f"The Management API {fault}; below is what the ledger saw.", str(exc))
        return None
    return {one.action: one for one in found}


def _by_portal(policy: Policy, portal: Mapping[str, ActionConfiguration]) -> Iterator[Finding]:
    action, found = policy.action, portal.get(policy.action)
    if found is None and get_settings().emulator:
        text = f"{action} is not configured in the emulator, so its --default-outcome counts: ALLOW, if you gave none."
        yield Finding(NOTE, text)
        return
    fix = f"Set the outcome of {action} to CHALLENGE in Authsignal's portal."
    outcome = "ALLOW" if found is None else found.outcome
    where = "is not configured in the portal, and so ALLOW for everybody" if found is None else "is ALLOW in the portal"
    if outcome == "ALLOW" and (policy.strict or policy.on_allow != "pass"):
        yield Finding(ERROR, f"{action} {where}: it is denied, because it needs a proof.", fix)
    elif outcome == "ALLOW" and policy.sign_in:
        text = f"{action} {where}: a password alone signs in, unless a rule asks for more."
        yield Finding(WARNING, text, f"{fix} Or set ON_ALLOW to 'deny'.")
    elif outcome == "ALLOW":
        yield Finding(NOTE, f"{action} {where}, and ON_ALLOW lets it pass: only rules ask for a proof.")
    elif outcome == "BLOCK":
        yield Finding(WARNING, f"{action} is BLOCK in the portal: nobody passes, unless a rule lets them.", fix)
    else:
        yield Finding(OK, f"{action}: {outcome} in the portal.")
    yield from _methods(policy, found)


def _methods(policy: Policy, found: ActionConfiguration | None) -> Iterator[Finding]:
    offered = found.verification_methods if found else None
    if offered and policy.methods is not None and not policy.methods & set(offered):
        text = f"{policy.action}: the portal offers {', '.join(offered)}, and METHODS accepts none of these."
        yield Finding(ERROR, text, f"Offer one of {', '.join(sorted(policy.methods))} there, or accept another here.")


def _by_ledger(policy: Policy) -> Iterator[Finding]:
    # A probe would tell nothing: a user it may try is enrolled with nothing, and for such a one ALLOW is the answer
    # whatever the portal says. What real people met is in the ledger.
    rows = Challenge.objects.filter(action=policy.action, created_at__gt=timezone.now() - RECENT)
    # ALLOW for somebody with nothing to prove with says nothing of the action.
    met = rows.exclude(state="").exclude(state=State.ALLOW, reason__in=("not_enrolled", "enrolled_by_email"))
    last = met.exclude(state=State.ALLOW, enrolls=True).order_by("-created_at").first()
    if last is None:
        yield Finding(NOTE, f"{policy.action}: nobody met it in 30 days, so its outcome is not known.")
    elif last.reason == "allow_is_no_proof":
        fix = f"Set the outcome of {policy.action} to CHALLENGE in Authsignal's portal."
        yield Finding(ERROR, f"{policy.action} was ALLOW when it was last met, and was denied for it.", fix)
    elif last.status == Status.ALLOWED and policy.sign_in and last.state == State.ALLOW:
        text = f"{policy.action} was ALLOW when it was last met: a password alone signed in."
        yield Finding(WARNING, text, f"Set the outcome of {policy.action} to CHALLENGE, or ON_ALLOW to 'deny'.")
    else:
        yield Finding(OK, f"{policy.action}: {last.state} when it was last met.")
