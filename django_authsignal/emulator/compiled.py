"""The SELECTs of every track. Django writes the SQL of each once, instead of each time: that was most of their cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Field, ForeignKey, Model, QuerySet

M = TypeVar("M", bound=Model)


class Compiled(Generic[M]):
    """The rows of a query set whose named fields equal the values of a call, in the order of the names."""

    def __init__(self, rows: Callable[[], QuerySet[M, Any]], *names: str) -> None:
        self._rows = rows  # without values of its own, and only called when the models are ready
        self._names = names

    def first(self, *values: Any) -> M | None:
        """Any one of them; None when there is none."""
        sql, model = self._sql, self._rows().model
        return next(iter(model._default_manager.raw(sql, self._prepared(values))), None)

    def tuples(self, *values: Any) -> list[tuple[Any, ...]]:
        """What `values_list` chose of them, as the driver gives it."""
        with connection.cursor() as cursor:
            cursor.execute(self._sql, self._prepared(values))
            return list(cursor.fetchall())

    def _prepared(self, values: tuple[Any, ...]) -> list[Any]:
        return [field.get_db_prep_value(value, connection) for field, value in zip(self._fields, values, strict=True)]

    @cached_property
    def _fields(self) -> list[Field[Any, Any]]:
        return [self._rows().model._meta.get_field(name) for name in self._names]  # type: ignore[misc]

    @cached_property
    def _sql(self) -> str:
        rows = self._rows()
        for name, field in zip(self._names, self._fields, strict=True):
            example = (field.target_field if isinstance(field, ForeignKey) else field).get_default()
            rows = rows.filter(**{name: example})  # one by one, which keeps the order
        return str(rows.query.sql_with_params()[0])
