"""Metrics for Prometheus: what happens in this process, and how the queues stand.

=====================================  ==========================================================
metric                                 what it is
=====================================  ==========================================================
``baton_job_duration_seconds``         histogram of attempts by ``queue``, ``worker``, ``state``:
                                       what became of the job
``baton_job_queue_time_seconds``       histogram by ``queue``: how long jobs could have run and
                                       did not
``baton_jobs_running``                 attempts that run in this process, by ``queue``
``baton_steps_total``                  steps of workflows by ``state``
``baton_workflows_total``              workflows that ended, by ``outcome``
``baton_workflow_duration_seconds``    histogram, from the insert of a workflow to its end
``baton_llm_calls_total``              calls of language models, by ``model`` and ``worker``
``baton_llm_unpriced_calls_total``     those whose price is not known, likewise
``baton_llm_tokens_total``             tokens, likewise and by ``type``: ``input`` and ``output``
``baton_llm_cached_tokens_total``      those of the input that were read from a cache, likewise
``baton_llm_cost_dollars_total``       what calls cost in US dollars, likewise
``baton_inserted_jobs_total``          jobs that this process has inserted
``baton_insert_duration_seconds``      histogram of inserts, by ``result``
``baton_cycle_duration_seconds``       histogram of round trips that acknowledge and fetch, by
                                       ``result``
``baton_fetched_jobs_total``           jobs that they brought
``baton_duty_duration_seconds``        histogram by ``duty`` and ``result``
``baton_rescued_jobs_total``           jobs that were taken from dead processes
``baton_pruned_rows_total``            rows that were deleted
``baton_queue_jobs``                   jobs in the database by ``queue`` and ``state``
``baton_queue_slots``                  jobs of a queue that all processes together run at once
``baton_queue_processes``              processes that serve a queue
``baton_queue_paused``                 1 when a queue is paused everywhere
``baton_database_up``                  0 when the database could not be asked
=====================================  ==========================================================

Needs ``baton[metrics]``; without it the import raises `MissingPackage`. `Metrics` hears through
telemetry what happens in a process; how the queues stand is asked of the database when somebody
scrapes, at most once in a few seconds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

from baton.errors import DatabaseError, MissingPackage
from baton.queues import QueueStatus
from baton.telemetry import Telemetry

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MissingPackage("prometheus-client", "metrics") from error

HANDLER = "baton-metrics"
EVENTS = (
    "baton.job.*",
    "baton.step.*",
    "baton.workflow.finished",
    "baton.llm.usage",
    "baton.queue.*",
    "baton.plugin.*",
    "baton.insert.*",
)
FRESH = 5.0  # seconds for which what the database said of its queues is told again
_DURATIONS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800, 3_600)
_WAITS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 3_600)
_ROUND_TRIPS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30)

C = TypeVar("C", bound=Collector)
Measurements = Mapping[str, Any]
Metadata = Mapping[str, Any]


class Metrics:
    """Metrics of this process, in a registry of prometheus-client.

    Args:
        registry: where they are registered; by default that of the process.
        queues: asked for the queues when somebody scrapes, from any thread; nothing is told of
            them without it.
    """

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        queues: Callable[[], Sequence[QueueStatus]] | None = None,
    ) -> None:
        self.registry = registry
        self._collectors: list[Collector] = []
        self._open: set[tuple[int, int]] = set()
        self._durations = self._histogram(
            "baton_job_duration_seconds",
            "How long attempts took.",
            ("queue", "worker", "state"),
            _DURATIONS,
        )
        self._waits = self._histogram(
            "baton_job_queue_time_seconds",
            "How long jobs could have run and did not.",
            ("queue",),
            _WAITS,
        )
        self._running = self._add(
            Gauge("baton_jobs_running", "Attempts that run here.", ("queue",), registry=None)
        )
        self._steps = self._counter("baton_steps", "Steps by what became of them.", ("state",))
        self._workflows = self._counter("baton_workflows", "Workflows that ended.", ("outcome",))
        self._spans = self._histogram(
            "baton_workflow_duration_seconds",
            "From the insert of a workflow to its end.",
            ("outcome",),
            _DURATIONS,
        )
        by = ("model", "worker")
        self._calls = self._counter("baton_llm_calls", "Calls of language models.", by)
        self._unpriced = self._counter("baton_llm_unpriced_calls", "Calls without a price.", by)
        self._tokens = self._counter("baton_llm_tokens", "Tokens.", (*by, "type"))
        self._cached = self._counter("baton_llm_cached_tokens", "Tokens read from a cache.", by)
        self._costs = self._counter("baton_llm_cost_dollars", "What calls cost.", by)
        self._inserted = self._counter("baton_inserted_jobs", "Jobs that were inserted here.")
        self._inserts = self._histogram(
            "baton_insert_duration_seconds", "Inserts.", ("result",), _ROUND_TRIPS
        )
        self._cycles = self._histogram(
            "baton_cycle_duration_seconds",
            "Round trips that acknowledge and fetch.",
            ("result",),
            _ROUND_TRIPS,
        )
        self._fetched = self._counter("baton_fetched_jobs", "Jobs that were claimed here.")
        self._duties = self._histogram(
            "baton_duty_duration_seconds",
            "What a worker process does besides jobs.",
            ("duty", "result"),
            _ROUND_TRIPS,
        )
        self._rescued = self._counter("baton_rescued_jobs", "Jobs taken from dead processes.")
        self._pruned = self._counter("baton_pruned_rows", "Rows that were deleted.")
        if queues is not None:
            self._add(_Queues(queues))

    def attach(self) -> None:
        """Begin to hear what happens in this process.

        Raises:
            DuplicateHandler: others do already.
        """
        Telemetry.attach(HANDLER, EVENTS, self._hear)
        for collector in self._collectors:
            self.registry.register(collector)

    def detach(self) -> None:
        """Hear nothing any more, and take the metrics out of their registry."""
        if Telemetry.detach(HANDLER):
            for collector in self._collectors:
                self.registry.unregister(collector)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the metrics as text, and its content type.

        Args:
            accept: the header of the request, which chooses between the text format of Prometheus
                and OpenMetrics.
        """
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type

    def _hear(self, event: str, measurements: Measurements, metadata: Metadata) -> None:
        _, kind, end = event.split(".", 2)
        match kind:
            case "job":
                self._hear_job(end, measurements, metadata)
            case "step" if end != "executing":
                self._steps.labels("skipped" if metadata["skipped"] else end).inc()
            case "workflow":
                self._workflows.labels(metadata["outcome"]).inc()
                self._spans.labels(metadata["outcome"]).observe(measurements["duration"])
            case "llm":
                self._hear_usage(measurements, metadata)
            case "queue" if end != "start":
                self._cycles.labels(_result(end)).observe(measurements["duration"])
                self._fetched.inc(measurements.get("count", 0))
            case "insert" if end != "start":
                self._inserts.labels(_result(end)).observe(measurements["duration"])
                self._inserted.inc(measurements.get("count", 0))
            case "plugin":
                self._hear_duty(end, measurements, metadata)

    def _hear_job(self, end: str, measurements: Measurements, metadata: Metadata) -> None:
        job = metadata["job"]
        claim = job.id, job.epoch
        if end == "start":
            self._open.add(claim)
            self._running.labels(job.queue).inc()
            self._waits.labels(job.queue).observe(measurements["queue_time"])
            return
        if claim not in self._open:  # given back before it began
            return
        self._open.remove(claim)
        self._running.labels(job.queue).dec()
        state = metadata["state"] or "abandoned"
        self._durations.labels(job.queue, job.worker, state).observe(measurements["duration"])

    def _hear_usage(self, measurements: Measurements, metadata: Metadata) -> None:
        by = metadata["model"] or "", metadata["worker"]
        self._calls.labels(*by).inc(measurements["calls"])
        for kind in ("input", "output"):
            self._tokens.labels(*by, kind).inc(measurements[f"{kind}_tokens"])
        self._cached.labels(*by).inc(measurements["cached_tokens"])
        if measurements["cost"] is None:
            self._unpriced.labels(*by).inc(measurements["calls"])
        else:
            self._costs.labels(*by).inc(float(measurements["cost"]))

    def _hear_duty(self, end: str, measurements: Measurements, metadata: Metadata) -> None:
        match end:
            case "stop" | "exception":
                duty = self._duties.labels(metadata["plugin"], _result(end))
                duty.observe(measurements["duration"])
            case "rescued":
                self._rescued.inc(measurements["count"])
            case "pruned":
                self._pruned.inc(measurements["count"])

    def _histogram(
        self, name: str, help_text: str, labels: Iterable[str], buckets: Sequence[float]
    ) -> Histogram:
        return self._add(Histogram(name, help_text, labels, buckets=buckets, registry=None))

    def _counter(self, name: str, help_text: str, labels: Iterable[str] = ()) -> Counter:
        return self._add(Counter(name, help_text, labels, registry=None))

    def _add(self, collector: C) -> C:
        self._collectors.append(collector)
        return collector


def rendered(queues: Sequence[QueueStatus] | None, accept: str = "") -> tuple[bytes, str]:
    """Return how the queues stand as text, and its content type, without any other metric.

    Args:
        queues: as the database told; ``None`` where it did not answer.
        accept: as `Metrics.render` has it.
    """
    registry = CollectorRegistry()
    registry.register(_Told(queues))
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


class _Told(Collector):
    """How the queues stood when somebody asked."""

    def __init__(self, queues: Sequence[QueueStatus] | None) -> None:
        self._queues = queues

    def collect(self) -> Iterable[Metric]:
        """Tell it."""
        return _gauges(self._queues)


class _Queues(Collector):
    """How the queues stand in the database."""

    def __init__(self, ask: Callable[[], Sequence[QueueStatus]]) -> None:
        self._ask = ask
        self._lock = Lock()
        self._known: Sequence[QueueStatus] = ()
        self._up = True
        self._asked_at = float("-inf")

    def describe(self) -> Iterable[Metric]:
        """Name nothing, so that registering it asks nothing."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Ask the database, unless it was asked just now."""
        with self._lock:
            if monotonic() - self._asked_at > FRESH:
                self._look()
            known = self._known if self._up else None
        yield from _gauges(known)

    def _look(self) -> None:
        try:
            self._known, self._up = self._ask(), True
        except DatabaseError:
            self._up = False
        self._asked_at = monotonic()


def _gauges(known: Sequence[QueueStatus] | None) -> Iterable[Metric]:
    up = float(known is not None)
    yield _gauge("baton_database_up", "Whether the database answers.", (), [((), up)])
    if known is not None:
        yield _gauge(
            "baton_queue_jobs",
            "Jobs in the database.",
            ("queue", "state"),
            [((each.name, state), n) for each in known for state, n in each.counts.items()],
        )
        yield _gauge(
            "baton_queue_slots",
            "Jobs that all processes together run at once.",
            ("queue",),
            [((each.name,), each.slots) for each in known],
        )
        yield _gauge(
            "baton_queue_processes",
            "Processes that serve a queue.",
            ("queue",),
            [((each.name,), each.processes) for each in known],
        )
        yield _gauge(
            "baton_queue_paused",
            "Whether a queue is paused in all processes.",
            ("queue",),
            [((each.name,), float(each.is_paused)) for each in known],
        )


def _gauge(
    name: str,
    help_text: str,
    labels: Sequence[str],
    samples: Iterable[tuple[Sequence[str], float]],
) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _result(end: str) -> str:
    return "error" if end == "exception" else "ok"
