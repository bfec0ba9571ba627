"""Connections through a pooler in transaction mode, such as PgBouncer.

The session behind such a connection is another one for each transaction, and serves other programs
in between. So nothing may be set up in it and nothing may be kept there: no ``statement_timeout``
(it would go on to hold for those others), no prepared statements, no advisory locks, no LISTEN.
Statements are bounded on this side instead: one that takes too long is cancelled, which poolers
pass on.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.pq import TransactionStatus

from baton.errors import CommitUnconfirmed, DatabaseUnavailable
from baton.store.translation import tells_unconfirmed

CANCEL_TIMEOUT = 5.0  # seconds


class PooledAsyncConnection(AsyncConnection[tuple[Any, ...]]):
    """An asynchronous connection whose statements are bounded by `limited`."""

    time_limit: float  # seconds


class PooledConnection(Connection[tuple[Any, ...]]):
    """A synchronous connection whose statements are bounded by `limited_sync`."""

    time_limit: float  # seconds


@asynccontextmanager
async def limited(conn: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Cancel what runs in the block when it takes longer than its connection allows.

    asyncio's own timeout, since it cancels once and lets psycopg clean up; anyio's does it again
    and again.

    Raises:
        DatabaseUnavailable: it took longer.
    """
    if not isinstance(conn, PooledAsyncConnection):
        yield
        return
    alone = conn.pgconn.transaction_status == TransactionStatus.IDLE
    try:
        async with asyncio.timeout(conn.time_limit):
            yield
    except TimeoutError:
        raise DatabaseUnavailable(
            f"the statement took longer than {conn.time_limit:g} s and was cancelled",
            maybe_done=alone,
        ) from None


@contextmanager
def limited_sync(conn: Connection[Any]) -> Iterator[None]:
    """Do what `limited` does, on a synchronous connection; psycopg then says what happened.

    Raises:
        CommitUnconfirmed: it committed, and no standby confirmed that in time.
    """
    if not isinstance(conn, PooledConnection):
        yield
        return
    alone = conn.pgconn.transaction_status == TransactionStatus.IDLE
    at_work = threading.Lock()
    ended = unconfirmed = False

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        nonlocal unconfirmed
        unconfirmed = unconfirmed or tells_unconfirmed(notice)

    def cancel() -> None:
        with at_work, suppress(psycopg.Error):
            if not ended:  # or it would hit the next statement
                conn.cancel_safe(timeout=CANCEL_TIMEOUT)

    timer = threading.Timer(conn.time_limit, cancel)
    timer.daemon = True
    timer.start()
    conn.add_notice_handler(hear)
    try:
        yield
    finally:
        conn.remove_notice_handler(hear)
        timer.cancel()
        with at_work:
            ended = True
    if unconfirmed:  # the cancel came when all was done, but for the standby
        raise CommitUnconfirmed(maybe_done=alone)
