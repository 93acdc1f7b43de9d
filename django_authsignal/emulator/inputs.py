"""What conditions read of an action: its address, device, user and custom data.

What track did not send is null, which equals nothing else; a missing device is a new one (`devices.is_new`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from django_authsignal.client.types import State
from django_authsignal.emulator import clock, conditions, devices, places
from django_authsignal.emulator.models import Action, Device, EmulatedUser

_FASTEST = 900.0  # km/h, of an airliner
_USUAL = timedelta(days=30)  # how far back a country is one that the user is often in
# An action that was blocked or left alone may be an attacker's: it must not make the next try look like no travel.
_PASSED = (State.ALLOW, State.CHALLENGE_SUCCEEDED, State.REVIEW_SUCCEEDED)
# Not CUBOT, which makes phones.
_BOT = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|headless|phantomjs|curl/|wget/|python-|java/|go-http", re.IGNORECASE
)


@dataclass
class Inputs:
    """One action's. A query is made only for what a condition reads."""

    user: EmulatedUser
    device: Device | None = None
    ip_address: str = ""
    user_agent: str = ""
    custom: dict[str, Any] | None = None

    def __call__(self, names: conditions.Names) -> dict[str, Any]:
        """The values of these names and no others: what a condition does not read cannot break it."""
        data: dict[str, Any] = {}
        for group in ("ip", "device", "user", "custom"):
            everything = () in names or (group,) in names
            wanted = set(self._names(group)) if everything else {n[1] for n in names if n[:1] == (group,)}
            data[group] = {name: self._value(group, name) for name in sorted(wanted)}
        return data

    def _names(self, group: str) -> list[str]:
        if group == "user":
            return ["hasPreviouslyVerified", *(self.user.custom or {})]
        return list(conditions.KNOWN[group] or self._customs())

    def _customs(self) -> dict[str, Any]:
        return {**(self.user.custom or {}), **(self.custom or {})}

    def _value(self, group: str, name: str) -> Any:
        if group == "custom":
            return self._customs().get(name)
        if group == "user" and name != "hasPreviouslyVerified":
            return (self.user.custom or {}).get(name)
        return getattr(self, f"_{group}_{name}")()

    def _user_hasPreviouslyVerified(self) -> bool:
        return Action.objects.filter(user=self.user, state=State.CHALLENGE_SUCCEEDED).exists()

    def _device_isNew(self) -> bool:
        return devices.is_new(self.device)

    def _device_isRemembered(self) -> bool:
        return devices.is_remembered(self.device)

    def _device_isBot(self) -> bool | None:
        return bool(_BOT.search(self.user_agent)) if self.user_agent else None

    def _ip_countryCode(self) -> str | None:
        return places.country(self.ip_address)

    def _ip_countryCodeInOfacList(self) -> bool | None:
        return places.country(self.ip_address) in places.OFAC if self.ip_address else None

    def _ip_isAnonymous(self) -> bool | None:
        place = places.find(self.ip_address)
        return bool(place and place.is_anonymous) if self.ip_address else None

    def _ip_impossibleTravel(self) -> bool | None:
        """Faster than an airliner since the last action that passed from a known place."""
        if not self.ip_address:
            return None
        here = places.find(self.ip_address)
        for address, moment in self._passed().values_list("ip_address", "created_at")[:20]:
            if here and (there := places.find(address)):
                hours = max(0.0, (clock.now() - moment).total_seconds() / 3600)
                return there.kilometres_to(here) > _FASTEST * hours
        return False

    def _ip_atypicalTravel(self) -> bool | None:
        """Another country than those of the last thirty days; a user without any is at home wherever they are."""
        if not self.ip_address:
            return None
        here = places.country(self.ip_address)
        recent = self._passed().filter(created_at__gt=clock.now() - _USUAL)
        usual = {places.country(address) for address in recent.values_list("ip_address", flat=True)[:100]} - {None}
        return bool(here and usual) and here not in usual

    def _passed(self) -> QuerySet[Action]:
        rows = Action.objects.filter(user=self.user, state__in=_PASSED).exclude(ip_address="")
        return rows.order_by("-created_at", "-pk")
