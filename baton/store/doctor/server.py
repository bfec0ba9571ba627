"""Whether the server, and the way to it, are what worker processes need."""

from collections.abc import Iterator
from uuid import uuid4

from psycopg.sql import SQL, Identifier

from baton.checkup import Finding
from baton.store import door, sql
from baton.store.doctor.patient import Finder, Patient
from baton.store.turns import OLDEST_SERVER
from baton.wording import duration

CONNECTIONS = 5  # of a worker process: its cycles, the lease, what listens, and a pool
_FULL = 0.5
_NOTIFICATIONS = Finder("notifications")
_CLOCK = Finder("clock")
_SETTINGS = Finder("settings")
_CONNECTIONS = Finder("connections")
_TRANSACTIONS = Finder("transactions")
_ELSEWHERE = "export BATON_LISTEN_DSN=postgresql://…"
_OTHER_SERVER = "export BATON_DSN=postgresql://…"
_ENDING = {
    "transaction": "select pg_terminate_backend({})",
    "prepared transaction": "rollback prepared '{}'",
    "replication slot": "select pg_drop_replication_slot('{}')",
}


def notifications(patient: Patient) -> Iterator[Finding]:
    """Send a notification as programs do, and listen for it as worker processes do."""
    target = patient.target
    if target.direct is None:
        yield _NOTIFICATIONS.notice(
            "nothing listens, as the settings say: jobs wait for the next poll, and events are "
            "not told",
            f"unset BATON_NO_LISTEN; {_ELSEWHERE}  # past the pooler",
        )
        return
    word = uuid4().hex
    # as behind a pooler: if there is one, nothing is to be left in the sessions of others
    conn = door.connect_sync(
        target.direct, target.schema, timeout=target.timeout, name="baton doctor", pooled=True
    )
    with conn:
        channel = Identifier(f"{sql.quoted(target.schema)}.doctor")
        conn.execute(SQL("listen {}").format(channel))
        [(_, usage)] = patient.run("doctor_notify", word=word)
        seconds = target.limits.notification
        heard = any(each.payload == word for each in conn.notifies(timeout=seconds))
        [(pid,)] = door.run_sync(conn, target.schema, "session_pid")
        pooled = pid != conn.info.backend_pid
        conn.execute(SQL("unlisten {}").format(channel))
    if not heard and usage < _FULL:  # in a full one words wait, or are not said at all
        yield _deaf(pooled=pooled, seconds=seconds)
    if usage > _FULL:
        yield _NOTIFICATIONS.warning(
            f"the server's queue of notifications is {usage:.0%} full, and a full one tells nobody "
            f"of anything: a session that listens is in a transaction that does not end; the "
            f"server's log names its PID",
            patient.psql("select pg_terminate_backend(PID)"),
            usage=usage,
        )


def _deaf(*, pooled: bool, seconds: float) -> Finding:
    why = (
        "a pooler in transaction mode stands between"
        if pooled
        else "they get lost, or take their time, on the way"
    )
    return _NOTIFICATIONS.error(
        f"notifications are not heard within {seconds:g} s: {why}; worker processes don't learn of "
        f"jobs and of changes until they poll",
        f"{_ELSEWHERE}  # past the pooler, or else BATON_NO_LISTEN=1",
        pooled=pooled,
    )


def clock(patient: Patient) -> Iterator[Finding]:
    """Compare this machine's clock with the database's, which is the one that counts."""
    before = patient.target.clock()
    [(now,)] = patient.run("doctor_clock")
    after = patient.target.clock()
    taken = (after - before) / 2
    skew = (before + taken - now).total_seconds()
    if abs(skew) - taken.total_seconds() > patient.target.limits.clock:
        how = "ahead of" if skew > 0 else "behind"
        yield _CLOCK.warning(
            f"this machine's clock is {duration(abs(skew))} {how} the database's: times that "
            f"programs say are off by that",
            "timedatectl set-ntp true",
            seconds=skew,
        )


def settings(patient: Patient) -> Iterator[Finding]:
    """Find settings under which jobs can't run, or may be lost."""
    [row] = patient.run("doctor_settings")
    number, standby, read_only, isolation, fsync, pages, commit, wal, encoding, idle, database = row
    writing = "begin read write;"
    if number < OLDEST_SERVER * 10_000:
        yield _SETTINGS.error(
            f"the server is older than PostgreSQL {OLDEST_SERVER}",
            f"{_OTHER_SERVER}  # of a newer one, after pg_upgrade",
            number=number,
        )
    if standby:
        yield _SETTINGS.error(
            "this is a standby: nothing can be written; say where the primary is",
            f"{_OTHER_SERVER}  # of the primary",
        )
    for wrong, sentence, command in (
        (
            read_only == "on" and not standby,
            "transactions are read-only by default",
            f"{writing} alter database {database} reset default_transaction_read_only; commit",
        ),
        (
            isolation != "read committed",
            f"transactions are {isolation} by default, under which a release can miss a step",
            f"alter database {database} set default_transaction_isolation = 'read committed'",
        ),
        (
            fsync == "off",
            "fsync is off: a crash of the server can destroy everything",
            "alter system set fsync = on",
        ),
        (
            pages == "off",
            "full_page_writes is off: a crash of the server can destroy pages",
            "alter system set full_page_writes = on",
        ),
    ):
        if wrong:
            yield _SETTINGS.error(sentence, patient.psql(command))
    if commit == "off":
        yield _SETTINGS.warning(
            "synchronous_commit is off: a crash of the server forgets what was inserted and done "
            "in the last moments",
            patient.psql(f"alter database {database} set synchronous_commit = on"),
        )
    if idle:
        yield _SETTINGS.warning(
            f"idle_session_timeout is {idle / 1_000:g} s: sessions that listen are cut off",
            patient.psql(f"alter database {database} set idle_session_timeout = 0"),
        )
    if encoding != "UTF8":
        yield _SETTINGS.warning(
            f"the database's encoding is {encoding}, not UTF8: text that it lacks is refused",
            "createdb --encoding=UTF8 --template=template0 NEW && pg_dump OLD | psql NEW",
        )
    if wal == "minimal":
        yield _SETTINGS.notice(
            "wal_level is minimal: there can be no standby and no recovery to a point in time",
            patient.psql("alter system set wal_level = replica"),
        )


def connections(patient: Patient) -> Iterator[Finding]:
    """Find a server that has no room for the worker processes of a machine."""
    [(most, taken, alive)] = patient.run("doctor_connections")
    facts = {"max_connections": most, "taken": taken, "processes": alive}
    share = taken / most
    needed = CONNECTIONS * patient.target.processes
    if share > patient.target.limits.connections:
        sentence = f"{taken:,} of {most:,} connections are taken"
    elif not alive and taken + needed > most:
        sentence = (
            f"{most - taken:,} connections are free, and {patient.target.processes} worker "
            f"processes need about {needed}"
        )
    else:
        return
    command = patient.psql(f"alter system set max_connections = {2 * (most + needed)}")
    yield _CONNECTIONS.warning(
        f"{sentence}; raise the limit and restart the server", command, **facts
    )


def transactions(patient: Patient) -> Iterator[Finding]:
    """Find what keeps dead rows from being removed, and so slows everything down."""
    for kind, name, who, seconds, activity in patient.run(
        "doctor_transactions", seconds=patient.target.limits.transaction
    ):
        since = "" if seconds is None else f" for {duration(seconds)}"
        statement = _ENDING[kind].format(name.replace("'", "''"))
        yield _TRANSACTIONS.warning(
            f"{kind} {name} ({who}) has kept dead rows from being removed{since} ({activity})",
            patient.psql(statement),
            kind=kind,
            name=name,
            seconds=seconds,
        )
