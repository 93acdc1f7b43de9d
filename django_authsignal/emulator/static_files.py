"""The emulator's own styles, scripts and pictures."""

from __future__ import annotations

import errno

from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from django.views.static import serve


@require_safe
def static(request: HttpRequest, path: str) -> HttpResponseBase:
    """Django's view, which fails for a path that is too long to be one, or has a NUL."""
    try:
        return serve(request, path, document_root=str(settings.BASE_DIR / "static"))
    except ValueError:
        raise Http404 from None
    except OSError as exc:
        if exc.errno != errno.ENAMETOOLONG:
            raise
        raise Http404 from None
