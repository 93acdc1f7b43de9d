"""The tenant's colours and logo on the hosted pages: a stylesheet of its own, because no page has inline style."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from django_authsignal.emulator import hosted_embed, tenant

_Color = tuple[float, float, float]
_WHITE, _BLACK = (255.0, 255.0, 255.0), (0.0, 0.0, 0.0)
# The ground of emulator.css on which a link is hardest to read: its darkest by day, its lightest by night.
_DAY, _NIGHT = "#eef1f6", "#1e2740"
_AA = 4.5  # contrast of text, WCAG 2.2 criterion 1.4.3


def context() -> dict[str, Any]:
    """What the frame of every hosted page shows of the tenant."""
    theme = tenant.settings().theme
    night = theme.get("darkMode", {})
    style = hashlib.sha256(json.dumps(theme, sort_keys=True).encode()).hexdigest()[:12]
    return {
        "name": theme.get("name", ""),
        "logo": theme.get("logoUrl", ""),
        "logo_dark": night.get("logoUrl", ""),
        "favicon": theme.get("faviconUrl", ""),
        "style_url": f"{reverse('theme')}?v={style}" if _css(theme) else "",
    }


def image_sources() -> str:
    """Where the tenant's pictures come from, for img-src."""
    theme = tenant.settings().theme
    urls = [theme.get("logoUrl"), theme.get("faviconUrl"), theme.get("darkMode", {}).get("logoUrl")]
    return "".join(f" {place}" for place in sorted({hosted_embed.origin(url or "") for url in urls} - {""}))


@require_safe
def stylesheet(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(_css(tenant.settings().theme), content_type="text/css")
    response["Cache-Control"] = "no-cache"
    return response


def _css(theme: dict[str, Any]) -> str:
    day = theme.get("primaryColor")
    night = theme.get("darkMode", {}).get("primaryColor") or day
    rules = f":root {{{_variables(day, _DAY)}}}\n" if day else ""
    if night:
        rules += f"@media (prefers-color-scheme: dark) {{ :root {{{_variables(night, _NIGHT)}}} }}\n"
    return rules


def _variables(color: str, ground: str) -> str:
    """A button keeps the colour, with the text that reads on it; links and signs get as near to it as can be read."""
    fill, base = _read(color), _read(ground)
    away = _BLACK if _light(base) > 0.5 else _WHITE
    text = fill
    while contrast(text, base) < _AA:
        text = _mix(text, away, 0.05)
    on_fill = max((_WHITE, _BLACK), key=lambda one: contrast(one, fill))
    strong = _mix(fill, _BLACK if on_fill == _WHITE else _WHITE, 0.15)  # of a pointer: away from its text
    found = {
        "brand": text,
        "brand-strong": _mix(text, away, 0.2),
        "focus": text,
        "fill": fill,
        "fill-strong": strong,
        "on-brand": on_fill,
    }
    return " ".join(f"--{name}: {_write(value)};" for name, value in found.items())


def contrast(one: _Color, other: _Color) -> float:
    """1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((_light(one), _light(other)))
    return (high + 0.05) / (low + 0.05)


def _light(color: _Color) -> float:
    parts = [part / 255 for part in color]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(one: _Color, other: _Color, share: float) -> _Color:
    red, green, blue = (round(a + (b - a) * share, 3) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _read(color: str) -> _Color:
    digits = color.removeprefix("#")
    if len(digits) < 6:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue = (float(int(digits[start : start + 2], 16)) for start in (0, 2, 4))  # without transparency
    return red, green, blue


def _write(color: _Color) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in color)
