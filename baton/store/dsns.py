"""Connection strings: completed with Baton's defaults, and handed on to psql."""

import os
import re
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from baton.errors import ConfigurationError
from baton.store import sql

TCP_USER_TIMEOUT_MS = 10_000
DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": str(TCP_USER_TIMEOUT_MS),
}
_PORT = re.compile(r"[0-9]{0,5}")


def conninfo(dsn: str, *, application_name: str = "baton") -> str:
    """Complete a connection string with Baton's defaults; what it says itself wins.

    Raises:
        ConfigurationError: it can't be read.
    """
    given = _parsed(dsn)
    return make_conninfo(**{**DEFAULTS, "application_name": application_name, **given})


def psql_environment(dsn: str, schema: str, *, pooled: bool = False) -> dict[str, str]:
    """Return the environment in which psql, or any libpq program, opens the same schema.

    Everything goes through variables, so that no password stands on a command line. A pooler in
    transaction mode keeps no search path, and PgBouncer refuses who asks for one.

    Raises:
        ConfigurationError: the DSN can't be read.
    """
    given = _parsed(dsn)
    options = given.pop("options", os.environ.get("PGOPTIONS", ""))
    if not pooled:
        name = sql.quoted(sql.check_schema(schema)).replace(
            " ", "\\ "
        )  # words are parted by spaces
        options += f" -c search_path={name},public"
    variables = {
        option.envvar.decode(): str(given[keyword])
        for option in Conninfo.get_defaults()
        if option.envvar is not None and (keyword := option.keyword.decode()) in given
    }
    return {**variables, "PGOPTIONS": options.strip()}


def _parsed(dsn: str) -> dict[str, Any]:
    # SQLAlchemy's form of the same address
    head, separator, rest = dsn.partition("://")
    if separator and head.startswith("postgresql+"):
        dsn = f"postgresql://{rest}"
    try:
        return _checked(dict(conninfo_to_dict(dsn)))
    except psycopg.ProgrammingError as error:
        # the driver's message may quote the string, password and all
        reason = str(error).strip().partition('"')[0].strip() or "unreadable"
        raise ConfigurationError(
            f"the DSN can't be read ({reason}); it looks like "
            f"postgresql://user:password@host:5432/database"
        ) from None
    except UnicodeEncodeError:
        raise ConfigurationError("the DSN can't be read: it holds half a surrogate pair") from None


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Refuse an address that is cut at the wrong places, before an error quotes parts of it."""
    hosts = str(given.get("host") or "").split(",")
    ports = str(given.get("port") or "").split(",")
    # that of an abstract socket begins with one
    if any("@" in host[1:] for host in hosts) or not all(_PORT.fullmatch(port) for port in ports):
        raise ConfigurationError(
            "the DSN can't be read: its host or port is none; the characters @ : / ? # and % of a "
            "user's name or password are written %40 %3A %2F %3F %23 and %25"
        )
    return given
