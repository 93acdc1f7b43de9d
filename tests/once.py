"""What Django does anew for every test and need not: a third of the time of a test that uses transactions."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management.color import no_style
from django.core.signals import setting_changed
from django.db import connections
from django.test import TransactionTestCase
from django.test.signals import root_urlconf_changed
from django.urls import set_urlconf

# What the migrations' signal writes, dozens of queries each time: tests read it, few change it.
WRITTEN = ("django_content_type", "auth_permission")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Any:
    """After a test without a transaction every table is emptied but WRITTEN; those too where the test changed them."""
    with django_db_blocker.unblock():
        written = _written()
    anew = TransactionTestCase._fixture_teardown

    def empty(test: TransactionTestCase) -> None:
        alone = list(test._databases_names(include_mirrors=False)) == ["default"]
        if not alone or test.available_apps is not None or _written() != written:
            anew(test)
            return
        connection = connections["default"]
        tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), sorted(tables - set(WRITTEN))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


def _written() -> list[Any]:
    with connections["default"].cursor() as cursor:
        found = []
        for table in WRITTEN:
            cursor.execute(f"SELECT COUNT(*), MAX(id) FROM {table}")
            found.append(cursor.fetchone())
    return found


@pytest.fixture(scope="session", autouse=True)
def _urls_are_read_once() -> Any:
    """Django forgets what it read of every module of URLs when a test names another one."""

    def changed(*, setting: str, **_: Any) -> None:
        if setting == "ROOT_URLCONF":
            set_urlconf(None)

    setting_changed.disconnect(root_urlconf_changed)
    setting_changed.connect(changed)
    yield
    setting_changed.disconnect(changed)
    setting_changed.connect(root_urlconf_changed)
