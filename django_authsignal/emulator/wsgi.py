"""The WSGI application, for servers that pass the path on as it was sent (gunicorn and uWSGI do).

It has no page that needs a WebSocket; the size of a body is limited by Django, its slowness by the server.
"""

from __future__ import annotations

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "django_authsignal.emulator.settings"

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
