"""Databases of the tests as other libraries see them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import django
import django.conf
import psycopg
from django.db import connections
from django.db.backends.signals import connection_created


def url(database: str) -> str:
    """The address of a database for SQLAlchemy."""
    return database.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def django_alias(database: str, alias: str | None = None, **options: Any) -> Iterator[str]:
    """The alias of a database of Django's, which is given up at the end."""
    if not django.conf.settings.configured:
        django.conf.settings.configure(DATABASES={}, USE_TZ=False, TIME_ZONE="Asia/Tokyo")
        django.setup()
    parts = psycopg.conninfo.conninfo_to_dict(database)
    alias = alias or f"test_{uuid4().hex}"
    django_settings = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts["dbname"],
        "HOST": parts.get("host", ""),
        "PORT": parts.get("port", ""),
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        **options,
    }
    before = dict(connections.settings)
    connections.settings[alias] = django_settings
    connections.configure_settings(connections.settings)
    made: list[psycopg.Connection[Any]] = []

    def note(connection: Any, **_: Any) -> None:
        made.append(connection.connection)

    connection_created.connect(note)
    try:
        yield alias
    finally:
        connection_created.disconnect(note)
        if connections[alias].connection is not None:
            connections[alias].close()
        for each in made:  # those of other threads, which Django closes with a request, are theirs
            each.close()
        del connections[alias], connections.settings[alias]
        connections.settings.update(before)
