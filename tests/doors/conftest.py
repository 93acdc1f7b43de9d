"""The cells need a project of their own: tests/doors/test_matrix.py runs them, once for each model of users."""

from django.conf import settings

collect_ignore_glob = [] if settings.ROOT_URLCONF == "tests.doors.urls" else ["test_cells.py"]
