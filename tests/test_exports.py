"""What the client exports, and nothing by accident."""

import types

from django_authsignal import client
from django_authsignal.client import errors
from django_authsignal.client import types as answers


def names(module):
    """The public names a module defines itself."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and isinstance(value, type) and value.__module__ == module.__name__
    }


def test_the_list_is_sorted_without_repetition():
    # Constants, then classes, then functions, as ruff sorts it.
    order = sorted(client.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert client.__all__ == order
    assert len(client.__all__) == len(set(client.__all__))


def test_the_list_is_what_the_package_offers():
    offered = {
        name
        for name, value in vars(client).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert set(client.__all__) == offered


def test_every_error_is_exported():
    assert names(errors) <= set(client.__all__)


def test_every_answer_is_exported():
    assert names(answers) <= set(client.__all__)
