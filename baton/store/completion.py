"""Names that a shell offers at a tab."""

from baton.store import door, sql


def offered(
    dsn: str, schema: str, what: str, *, most: int, seconds: int, pooled: bool = False
) -> list[str]:
    """Return names of a kind: ``queues``, ``workers``, ``workflows``, ``names`` or ``crons``.

    Args:
        dsn: where.
        schema: the schema.
        what: the kind. The ids of workflows come with their names, after a blank.
        most: how many at most.
        seconds: that connecting and asking may each take.
        pooled: whether a pooler in transaction mode stands between.

    Raises:
        DatabaseError: the database refused, is away or takes too long.
    """
    with door.connect_sync(
        dsn,
        sql.check_schema(schema),
        timeout=seconds,
        name="baton completion",
        pooled=pooled,
        connect_timeout=seconds,
    ) as conn:
        rows = door.run_sync(conn, schema, f"offer_{what}", {"most": most})
    return [str(name) for (name,) in rows]
