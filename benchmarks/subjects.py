"""Who is measured: Baton, bare loops, and the peers, each at a pinned version."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """A queue, and how to come by it.

    Attributes:
        name: the module of its adapter, and the name of its database.
        title: what tables call it.
        requirements: what its environment installs; empty for those that need none of their own.
        node: whether it is a program of Node.js.
        share: how much of each size it gets, so that a slow one is measured in bearable time.
        only: the scenarios that it is for; empty when it is for all.
    """

    name: str
    title: str
    requirements: tuple[str, ...] = ()
    node: bool = False
    share: float = 1.0
    only: frozenset[str] = frozenset()


BATON = Subject("baton", "Baton")
FLOOR = Subject("floor", "floor")
ROWS = Subject("rows", "bare loop over Baton's rows", only=frozenset({"S3"}))
OWN = (BATON, FLOOR, ROWS)
PEERS = (
    Subject("oban", "Oban for Python", ("oban==0.7.0",)),
    Subject("procrastinate", "Procrastinate", ("procrastinate==3.10.0",), share=0.2),
    Subject("chancy", "Chancy", ("chancy==0.26.0",)),
    Subject("pgqueuer", "PgQueuer", ("pgqueuer[asyncpg]==1.6.0", "uvloop==0.23.0")),
    Subject("absurd", "absurd", ("absurd-sdk==0.5.1", "absurdctl==0.5.1"), share=0.2),
    Subject("dbos", "DBOS", ("dbos==3.4.0",), share=0.2),
    Subject("graphile", "graphile-worker", ("graphile-worker@0.18.0",), node=True),
)
