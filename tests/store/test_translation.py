"""What the errors of the driver become."""

import psycopg
import pytest

from baton.errors import AccessRefused, DatabaseUnavailable
from baton.store.translation import translation

PREFIX = 'connection failed: connection to server at "10.0.0.1", port 5432 failed: '
NO_PASSWORD = f'{PREFIX}FATAL:  password authentication failed for user "x"'
STARTS = f"{PREFIX}FATAL:  the database system is starting up"


def several(*words: str) -> str:
    """What psycopg says after it has tried several hosts."""
    tried = [f"- host: 'h{number}', port: None: {each}" for number, each in enumerate(words)]
    lines = [words[-1], "Multiple connection attempts failed. All failures were:", *tried]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "words",
    [
        NO_PASSWORD,
        f'{PREFIX}FATAL:  database "x" does not exist',
        f'{PREFIX}FATAL:  role "a role" does not exist',
        f'{PREFIX}FATAL:  role "x" is not permitted to log in',
        f'{PREFIX}FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "x", no encryption',
        f'{PREFIX}FATAL:  permission denied for database "x"',
        f"{PREFIX}FATAL:  no such database: x",
        f"{PREFIX}FATAL:  SASL authentication failed",
        f"{PREFIX}fe_sendauth: no password supplied",
        several(NO_PASSWORD, NO_PASSWORD),
    ],
)
def test_who_is_refused_is_refused_again(words: str) -> None:
    made = translation(psycopg.OperationalError(words), "baton")
    assert isinstance(made, AccessRefused)
    assert not made.transient


@pytest.mark.parametrize(
    "words",
    [
        STARTS,
        f"{PREFIX}FATAL:  sorry, too many clients already",
        f'{PREFIX}FATAL:  database "x" is not currently accepting connections',
        f"{PREFIX}Connection refused\n\tIs the server running on that host?",
        f"{PREFIX}FATAL:  Passwort-Authentifizierung für Benutzer »x« fehlgeschlagen",
        'connection is bad: could not translate host name "db" to address: Name not known',
        "connection timeout expired",
        several(NO_PASSWORD, STARTS),
        several(STARTS, NO_PASSWORD),
    ],
)
def test_what_may_pass_is_transient(words: str) -> None:
    made = translation(psycopg.OperationalError(words), "baton")
    assert isinstance(made, DatabaseUnavailable)
    assert made.transient


@pytest.mark.parametrize("state", ["28P01", "28000", "3D000"])
def test_a_session_that_is_refused_by_its_sqlstate(state: str) -> None:
    """As a pooler says it that let the client in first."""
    made = translation(psycopg.errors.lookup(state)("refused"), "baton")
    assert isinstance(made, AccessRefused)


@pytest.mark.parametrize("state", ["57P03", "57P01", "53300", "08006", "25006"])
def test_trouble_by_its_sqlstate(state: str) -> None:
    made = translation(psycopg.errors.lookup(state)("trouble"), "baton")
    assert isinstance(made, DatabaseUnavailable)
    assert made.transient
