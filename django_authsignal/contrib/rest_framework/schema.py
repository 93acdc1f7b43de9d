"""OpenAPI by drf-spectacular: what each guarded operation asks, and what it answers until it is given.

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "django_authsignal.contrib.rest_framework.schema.AutoSchema"}
"""

from collections.abc import Iterator
from typing import Any

from drf_spectacular import openapi
from drf_spectacular.plumbing import ResolvedComponent

from ... import channel, enforcement, responses
from ...binding import SAFE_METHODS
from ...enforcement import Requirement
from .views import SignInMixin, requirements_of

MEDIA_TYPE = "application/problem+json"
ANSWERS = {
    "401": "A proof is needed. Complete the challenge (`url`, or `token` for an SDK), then send the same request again "
    f"with its result token in `{channel.TOKEN_HEADER}`.",
    "403": "The action was denied, or is held for a review.",
    "429": "Too much was begun, or brought back falsely. Send the same again after `Retry-After` seconds.",
    "503": "It cannot be asked for a proof now. Try again later.",
}
UNREADABLE = "A field that is to be proved is absent, repeated or cannot be read."
CODES = [*dict.fromkeys(code for code, _, _ in responses.PROBLEMS.values()), "invalid_request"]
# No enum: drf-spectacular would make it a component of its own, and rename a project's own CodeEnum for it.
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457) of a request that waits for a proof, or was denied.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "pattern": f"^({'|'.join(CODES)})$"},
        "action": {"type": "string", "description": "The action that is to be proved."},
        "label": {"type": "string", "description": "What is to be proved, in words for a person."},
        "reason": {"type": "string", "description": "Why the token that came with the request was no proof."},
        "challengeId": {"type": "string", "format": "uuid"},
        "url": {"type": "string", "format": "uri", "description": "Authsignal's page for this challenge."},
        "token": {"type": "string", "description": "For launching the challenge with one of Authsignal's SDKs."},
        "expiresAt": {"type": "string", "format": "date-time"},
    },
    "required": ["type", "title", "status", "code"],
}
NAME = "AuthsignalProblem"
PARAMETER: dict[str, Any] = {
    "name": channel.TOKEN_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The result token of the challenge that the answer 401 began.",
}


class ChallengeSchemaMixin:
    """For an AutoSchema of your own: put it before drf-spectacular's in the bases. Generating asks nobody."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """The operation, with `x-authsignal-action` and the gate's answers where it is guarded."""
        operation = super().get_operation(*args, **kwargs)  # type: ignore[misc] # of the class it is put before
        asked = list(self._asked())
        if operation is None or not asked:
            return operation
        codes = list(dict.fromkeys(one.action or enforcement.sign_in_action() for one in asked))
        operation["x-authsignal-action"] = codes[0] if len(codes) == 1 else codes
        operation.setdefault("parameters", []).append(PARAMETER)
        operation["parameters"].sort(key=lambda one: str(one.get("name", "")))
        answers = {**({"400": UNREADABLE} if any(one.bind for one in asked) else {}), **ANSWERS}
        for status, description in answers.items():
            self._add_answer(operation["responses"], status, description)
        return operation

    def _asked(self) -> Iterator[Requirement]:
        """What is asked of this operation's method."""
        view, method = self.view, self.method  # type: ignore[attr-defined] # of the class it is put before
        for one in requirements_of(view, method):
            if one.applies_to(method, one.policy()):
                yield one
        if isinstance(view, SignInMixin) and method not in SAFE_METHODS:
            yield Requirement(action=None)

    def _add_answer(self, answers: dict[str, Any], status: str, description: str) -> None:
        """Beside what the view itself documents for this status."""
        problem = ResolvedComponent(NAME, ResolvedComponent.SCHEMA, PROBLEM, NAME)  # type: ignore[no-untyped-call] # untyped there
        self.registry.register_on_missing(problem)  # type: ignore[attr-defined] # of the class it is put before
        answer = answers.setdefault(status, {"description": description})
        answer.setdefault("content", {}).setdefault(MEDIA_TYPE, {"schema": problem.ref})
        if status == "401":
            header = {"schema": {"type": "string"}, "description": responses.STEP_UP_HEADER}
            answer.setdefault("headers", {}).setdefault("WWW-Authenticate", header)


class AutoSchema(ChallengeSchemaMixin, openapi.AutoSchema):
    """drf-spectacular's, and what the gate asks and answers."""
