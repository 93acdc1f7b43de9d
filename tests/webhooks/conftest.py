"""Fixtures for events that arrive."""

import pytest
from django.test import Client


@pytest.fixture
def sender(db, authsignal):
    """Has no cookies and follows nothing."""
    return Client()
