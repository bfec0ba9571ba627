"""What a worker process shows over HTTP, and from where it has its metrics."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import structlog

from baton.addresses import Address
from baton.errors import MissingPackage
from baton.queues import QueueStatus
from baton.services.health import Health, HealthServer, Render
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.http")


@contextmanager
def observed(
    address: Address | None,
    ready: Callable[[], Health],
    queues: Callable[[], Sequence[QueueStatus]],
) -> Iterator[None]:
    """Answer over HTTP within the block, if there is an address.

    Metrics are those of the process's default registry, so what a program measures itself is among
    them. One that has attached `Metrics` on its own keeps it.

    Args:
        address: where to listen.
        ready: whether jobs can be performed.
        queues: asks the database for its queues; called from other threads.

    Raises:
        CannotServe: the address is taken, or is none of this machine.
    """
    if address is None:
        yield
        return
    with ExitStack() as stack:
        render = _metrics(stack, queues)
        stack.enter_context(HealthServer(address, ready=ready, metrics=render))
        yield


def _metrics(stack: ExitStack, queues: Callable[[], Sequence[QueueStatus]]) -> Render | None:
    try:
        from baton.metrics import HANDLER, Metrics  # noqa: PLC0415  it is an extra
    except MissingPackage as error:
        log.warning("metrics.off", reason=str(error))
        return None
    metrics = Metrics(queues=queues)
    if HANDLER not in Telemetry.handlers():
        metrics.attach()
        stack.callback(metrics.detach)
    return metrics.render
