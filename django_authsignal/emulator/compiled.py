"""The SELECTs of every track. Django writes the SQL of each once, instead of each time: that was most of their cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection
from django.db.models import Field, ForeignKey, Model, QuerySet

M = TypeVar("M", bound=Model)


class _Query(NamedTuple):
    """What Django has made of it: for any thread, and any connection of it."""

    sql: str
    fields: list[Field[Any, Any]]  # those that the values are for
    whole: Callable[[Any], Any]  # from a row of the driver, a list of what the model's fields hold


class Compiled(Generic[M]):
    """The rows of a query set whose named fields equal the values of a call, in the order of the names."""

    def __init__(self, rows: Callable[[], QuerySet[M, Any]], *names: str) -> None:
        self._rows = rows  # without values of its own, and only called when the models are ready
        self._names = names

    def first(self, *values: Any) -> M | None:
        """Any one of them, whole; None when there is none."""
        with connection.cursor() as cursor:
            cursor.execute(self._query.sql, self._prepared(values))
            row = cursor.fetchone()
        return None if row is None else self._model.from_db(connection.alias, self._columns, self._query.whole(row))

    def tuples(self, *values: Any) -> list[tuple[Any, ...]]:
        """What `values_list` chose of them, as the driver gives it."""
        with connection.cursor() as cursor:
            cursor.execute(self._query.sql, self._prepared(values))
            return list(cursor.fetchall())

    def _prepared(self, values: tuple[Any, ...]) -> list[Any]:
        fields = self._query.fields
        return [field.get_db_prep_value(value, connection) for field, value in zip(fields, values, strict=True)]

    @cached_property
    def _model(self) -> type[M]:
        return self._rows().model

    @cached_property
    def _columns(self) -> list[str]:
        return [field.attname for field in self._model._meta.concrete_fields]

    @cached_property
    def _query(self) -> _Query:
        rows = self._rows()
        fields: list[Field[Any, Any]] = [self._model._meta.get_field(name) for name in self._names]  # type: ignore[misc] # names of columns, not of relations back
        for field in fields:  # one by one, which keeps the order
            example = (field.target_field if isinstance(field, ForeignKey) else field).get_default()
            rows = rows.filter(**{field.attname: example})
        compiler: Any = rows.query.get_compiler(connection=connection)
        sql = compiler.as_sql()[0]
        converters = compiler.get_converters([column for column, *_ in compiler.select])
        return _Query(sql, fields, lambda row: next(iter(compiler.apply_converters([row], converters))))
