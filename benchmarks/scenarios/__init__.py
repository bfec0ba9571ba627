"""What is measured, S1 to S12, and three of Baton's own; each works for whoever can do it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.figures import Row
from benchmarks.scenarios import drains, graphs, inserts, latencies, lives
from benchmarks.scenarios.sizes import FULL, QUICK, Sizes
from benchmarks.sessions import Session

__all__ = ["FULL", "QUICK", "SCENARIOS", "Scenario", "Sizes"]


@dataclass(frozen=True)
class Scenario:
    """A measurement.

    Attributes:
        name: ``S1`` and so on.
        title: what it asks.
        measure: yields a row and its figure, as many times as there are rows.
        needs: what a subject must be able to do, besides what everybody can.
    """

    name: str
    title: str
    measure: Callable[[Session, Sizes], Iterator[tuple[Row, float]]]
    needs: frozenset[str] = frozenset()

    def suits(self, session: Session) -> bool:
        return self.needs <= session.can


SCENARIOS = (
    Scenario("S1", "insert many at once", inserts.many),
    Scenario("S2", "insert one by one", inserts.singly),
    Scenario("S3", "drain", drains.drain),
    Scenario("S4", "latency when idle", latencies.idle),
    Scenario("S5", "latency and CPU under a load", latencies.loaded),
    Scenario("S6", "drain behind finished jobs", drains.history, frozenset({"history"})),
    Scenario("S7", "workflows", graphs.shapes, frozenset({"diamonds"})),
    Scenario("S8", "from a parent's end to its child's start", graphs.hop, frozenset({"chain"})),
    Scenario("S9", "drain beside an open transaction", drains.held),
    Scenario("S10", "idle", lives.idle, frozenset({"many queues"})),
    Scenario("S11", "memory and start", lives.memory, frozenset({"start"})),
    Scenario("S12", "kill -9", lives.kill, frozenset({"marks"})),
    Scenario("layers", "one large workflow", graphs.layers, frozenset({"layers"})),
    Scenario("crowd", "drain by many processes", drains.crowd, frozenset({"copied"})),
    Scenario("punctuality", "scheduled jobs", latencies.punctuality, frozenset({"ahead"})),
)
