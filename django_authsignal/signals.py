"""What happened, for those who count, alert or write it down. `challenge` is the ledger's row."""

from django.dispatch import Signal

#: A challenge was begun: sender=Challenge, request, user, challenge.
challenge_started = Signal()
#: A proof came back good: sender=Challenge, request, user, challenge.
challenge_passed = Signal()
#: A challenge failed for good: sender=Challenge, request, user, challenge, reason.
challenge_failed = Signal()
#: An action was denied: sender=Challenge, request, user, challenge, reason.
action_blocked = Signal()
#: An action waits for a person's decision: sender=Challenge, request, user, challenge.
review_required = Signal()
#: Authsignal could not be told of a saved or deleted user: sender=the user model, user_pk, operation ("update" or
#: "delete"), error. Sent after the commit, outside any request.
user_sync_failed = Signal()
#: Authsignal could not be asked: sender=Challenge, request, user (None while finishing), challenge (None where nothing
#: was begun), error.
authsignal_unreachable = Signal()
#: A call to Authsignal ended: sender=Client, operation, seconds (with what was waited), attempts (0: it was not sent),
#: outcome ("ok", or the name of the error's class), status (the answer's, or None). Receivers cannot fail the call.
authsignal_called = Signal()
#: After too many calls without a usable answer none is made for a while, or they are made again: sender=Client,
#: state ("open" or "closed"), base_url. Sent by the process that found out.
authsignal_circuit = Signal()
#: A user's authenticators changed: sender=the user's class, request (None outside one), user, change ("added",
#: "updated", "removed" or "reset"), methods (Authsignal's names, empty when unknown), by (who did it to somebody else,
#: or None). Receivers cannot fail the request. The mail to the owner is one: dispatch_uid "authsignal.mail_owner".
authenticators_changed = Signal()
#: An action went on that ENFORCE only observes: sender=Challenge, request, user, challenge, outcome (what it would be).
action_observed = Signal()
#: Authsignal sent an event: sender=its `client.EventType` (the class `client.Event` for one that we do not know),
#: event, request (Authsignal's), user (whom it is about, None when nobody here is known by that id).
event_received = Signal()
