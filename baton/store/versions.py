"""Which client of PostgreSQL this is."""

import psycopg


def client_versions() -> dict[str, str]:
    """Return the versions of the driver and of the C library below it."""
    number = psycopg.pq.version()
    return {"psycopg": psycopg.__version__, "libpq": f"{number // 10_000}.{number % 10_000}"}
