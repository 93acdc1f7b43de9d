"""Where an address is: a small table of addresses that RFC 5737 and RFC 3849 keep for documentation.

Nothing is looked up on the internet, and a developer's own address has no place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

OFAC = frozenset({"CU", "IR", "KP"})  # countries under a full embargo; the list is for tests, not for compliance


@dataclass(frozen=True)
class Place:
    city: str
    country: str
    latitude: float
    longitude: float
    is_anonymous: bool = False  # an exit of a VPN or of Tor

    def kilometres_to(self, other: Place) -> float:
        """Along the surface (haversine)."""
        here, there = math.radians(self.latitude), math.radians(other.latitude)
        width = math.radians(other.longitude - self.longitude)
        half = math.sin((there - here) / 2) ** 2 + math.cos(here) * math.cos(there) * math.sin(width / 2) ** 2
        return 2 * 6371 * math.asin(math.sqrt(min(1.0, half)))


_AUCKLAND = Place("Auckland", "NZ", -36.85, 174.76)
_SYDNEY = Place("Sydney", "AU", -33.87, 151.21)
_NEW_YORK = Place("New York", "US", 40.71, -74.01)
_LONDON = Place("London", "GB", 51.51, -0.13)
_ANONYMOUS = Place("Amsterdam", "NL", 52.37, 4.90, is_anonymous=True)
_PYONGYANG = Place("Pyongyang", "KP", 39.03, 125.75)

TABLE = {
    ip_network("192.0.2.0/26"): _AUCKLAND,
    ip_network("192.0.2.64/26"): Place("Wellington", "NZ", -41.29, 174.78),
    ip_network("192.0.2.128/25"): _SYDNEY,
    ip_network("198.51.100.0/26"): _NEW_YORK,
    ip_network("198.51.100.64/26"): Place("San Francisco", "US", 37.77, -122.42),
    ip_network("198.51.100.128/26"): _LONDON,
    ip_network("198.51.100.192/26"): Place("Berlin", "DE", 52.52, 13.41),
    ip_network("203.0.113.0/26"): Place("Paris", "FR", 48.86, 2.35),
    ip_network("203.0.113.64/26"): Place("Tokyo", "JP", 35.68, 139.69),
    ip_network("203.0.113.128/26"): _ANONYMOUS,
    ip_network("203.0.113.192/26"): _PYONGYANG,
    ip_network("2001:db8:1::/48"): _AUCKLAND,
    ip_network("2001:db8:2::/48"): _SYDNEY,
    ip_network("2001:db8:3::/48"): _NEW_YORK,
    ip_network("2001:db8:4::/48"): _LONDON,
    ip_network("2001:db8:a::/48"): _ANONYMOUS,
    ip_network("2001:db8:f::/48"): _PYONGYANG,
}


def find(address: str) -> Place | None:
    """None for an address that is not in the table, or is none."""
    try:
        found = ip_address(address.strip())
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:  # as a dual-stack server writes an IPv4 address
        found = found.ipv4_mapped
    return next((place for network, place in TABLE.items() if found in network), None)


def country(address: str) -> str | None:
    place = find(address) if address else None
    return place.country if place else None
