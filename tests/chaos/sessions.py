"""Django's sessions in a cache, with a point to die at before and after each write."""

from typing import Any

from django.contrib.sessions.backends.cache import SessionStore as CacheSessionStore

from tests.chaos import points


class SessionStore(CacheSessionStore):
    """In the database they need no class of their own: each statement is a point."""

    cache_key_prefix = "django.contrib.sessions.cache"

    def save(self, must_create: bool = False) -> Any:
        """Writes it."""
        with points.around():
            return super().save(must_create)

    def delete(self, session_key: str | None = None) -> Any:
        """Deletes it."""
        with points.around():
            return super().delete(session_key)
