"""`ChallengeRequiredAdminMixin`: a ModelAdmin, or an inline, whose doors ask the gate."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from django.contrib.admin.options import BaseModelAdmin
from django.core.checks import CheckMessage
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver
from django.utils.functional import cached_property

from .. import checks
from ..binding import SAFE_METHODS
from ..client import ConfigurationError
from . import doors, history
from .doors import ADD, AUTOCOMPLETE, CHANGE, DELETE, KEYS, Asked, Door


class ChallengeRequiredAdminMixin:
    """Put before ModelAdmin, or an inline's class, in the bases: what it does asks for a step-up.

    Works on any AdminSite. A form asks when it is opened, so that nobody types in vain, and again when it is sent, if
    the pass ran out meanwhile. Nobody is asked who lacks the permission. Raises ConfigurationError, where the class is
    written, for a code Authsignal would not take.
    """

    #: Asked for everything that changes: add, change, delete, actions, saves from the list, URLs of your own.
    challenge_action: str | Mapping[str, Any] | None = None
    #: Per door, instead: see docs/admin.md. None: not asked.
    challenge_actions: Mapping[str, str | Mapping[str, Any] | None] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        order = cls.__mro__
        if BaseModelAdmin in order and order.index(BaseModelAdmin) < order.index(ChallengeRequiredAdminMixin):
            raise ConfigurationError(f"{cls.__name__}: put ChallengeRequiredAdminMixin before ModelAdmin in the bases.")
        if not isinstance(cls.challenge_actions, Mapping):
            raise ConfigurationError(f"{cls.__name__}.challenge_actions must be a dict of doors and action codes.")
        doors.asked_of(cls.challenge_action, f"{cls.__name__}.challenge_action")
        for key, value in cls.challenge_actions.items():
            doors.asked_of(value, f"{cls.__name__}.challenge_actions[{key!r}]")

    def asked_at(self, door: Door) -> Asked | None:
        """What a door asks; None: nothing."""
        for key in (door.key, door.instead):
            if key and key in self._asked:
                return self._asked[key]
        return self._asked[""] if door.changes else None

    @cached_property
    def _asked(self) -> dict[str, Asked | None]:
        named = {key: doors.asked_of(value, key) for key, value in self.challenge_actions.items()}
        return {**named, "": doors.asked_of(self.challenge_action, "challenge_action")}

    # `type: ignore` below: super(), `actions` and `admin_site` are those of the ModelAdmin, or inline, that a project
    # names after this class. Neither can be its base, for the type checker either.

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Django's checks of the class, and E006: a key of `challenge_actions` that is no door."""
        found: list[CheckMessage] = super().check(**kwargs)  # type: ignore[misc] # of the class it is put before
        return found + checks.unknown_doors(type(self), self.challenge_actions, self._known_keys())

    def _known_keys(self) -> Set[str]:
        if not hasattr(self, "get_urls"):
            return {"add", "change", "delete"}  # an inline's
        own = {one if isinstance(one, str) else one.__name__ for one in self.actions or ()}  # type: ignore[attr-defined] # of the class it is put before
        of_site = {name for name, _ in self.admin_site.actions}  # type: ignore[attr-defined] # of the class it is put before
        names = {doors.view_name(self, one) for one in self.get_urls() if isinstance(one, URLPattern)}
        return KEYS | own | of_site | {"delete_selected"} | names

    # A ModelAdmin's

    @property
    def urls(self) -> list[URLPattern | URLResolver]:
        """The URLs, guarded as a whole: no method that a subclass overrides slips past."""
        found: Sequence[URLPattern | URLResolver] = super().urls  # type: ignore[misc] # of the class it is put before
        return doors.guarded(self, found)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Django's; asks where the guard did not."""
        doors.demand(self, CHANGE if change else ADD, request)
        super().save_model(request, obj, form, change)  # type: ignore[misc] # of the class it is put before

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Django's; asks where the guard did not."""
        doors.demand(self, DELETE, request)
        super().delete_model(request, obj)  # type: ignore[misc] # of the class it is put before

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Django's; asks where the guard did not."""
        doors.demand(self, DELETE, request)
        super().delete_queryset(request, queryset)  # type: ignore[misc] # of the class it is put before

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Django's; the site's autocomplete view reads it for other models' forms, and is asked here."""
        self._autocompletes(request)
        return super().get_queryset(request)  # type: ignore[misc,no-any-return] # of the class it is put before

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """The same."""
        self._autocompletes(request)
        return super().get_search_results(request, queryset, search_term)  # type: ignore[misc] # of the class it is put before

    def _autocompletes(self, request: HttpRequest) -> None:
        match = request.resolver_match
        if match is not None and match.url_name == "autocomplete":
            doors.demand(self, AUTOCOMPLETE, request)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Django's; the entry names the challenges that were proved for it."""
        return super().log_addition(request, obj, history.with_challenges(request, message))  # type: ignore[misc] # of the class it is put before

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """The same."""
        return super().log_change(request, obj, history.with_challenges(request, message))  # type: ignore[misc] # of the class it is put before

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """The same."""
        return history.add_challenges(request, super().log_deletions(request, queryset))  # type: ignore[misc] # of the class it is put before

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponseBase:
        """Django's, with the challenges that its entries name."""
        response = super().history_view(request, object_id, extra_context)  # type: ignore[misc] # of the class it is put before
        return history.with_links(request, response, self.admin_site)  # type: ignore[attr-defined,no-any-return] # of the class it is put before

    # An inline's

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Django's; what it saves asks for the inline's own step-up, when something of it changed."""
        base = super().get_formset(request, obj, **kwargs)  # type: ignore[misc] # of the class it is put before
        inline = self

        class GuardedFormSet(base):  # type: ignore[misc,valid-type] # made from what Django answered
            def save(self, commit: bool = True) -> Any:
                for door in _changed(self):
                    doors.demand(inline, door, request)
                return super().save(commit)

        return base if request.method in SAFE_METHODS else GuardedFormSet


def _changed(formset: Any) -> list[Door]:
    """What the rows of an inline's formset do."""
    deleted = list(formset.deleted_forms) if formset.can_delete else []
    added = [form for form in formset.extra_forms if form.has_changed() and form not in deleted]
    edited = [form for form in formset.initial_forms if form.has_changed() and form not in deleted]
    found = ((ADD, added), (CHANGE, edited), (DELETE, deleted))
    return [door for door, forms in found if forms]
