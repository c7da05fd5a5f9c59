"""Fixtures of the storage tests."""

from tests.postgres_fixture import (
    database_dsn,
    empty_database_dsn,
    postgres_dsn,
    template_database,
)

__all__ = ["database_dsn", "empty_database_dsn", "postgres_dsn", "template_database"]
