"""Telemetry: what happens in this process, told to whoever attached a handler.

=============================  ===============================  ===================================
event                          measurements                     metadata
=============================  ===============================  ===================================
``baton.job.start``            ``queue_time``                   ``job``
``baton.job.stop``             ``duration``, ``queue_time``     ``job``, ``state``
``baton.job.exception``        ``duration``, ``queue_time``     ``job``, ``state``, ``kind``,
                                                                ``message``, ``traceback``,
                                                                ``error``
``baton.step.executing``       ``queue_time``                   a step's, as below
``baton.step.<state>``         ``duration``, ``queue_time``     a step's, as below
``baton.llm.usage``            ``calls``, ``input_tokens``,     ``job``, ``job_id``,
                               ``output_tokens``,               ``workflow_id``,
                               ``cached_tokens``,               ``workflow_label``,
                               ``cache_write_tokens``,          ``step_name``, ``queue``,
                               ``reasoning_tokens``, ``cost``   ``worker``, ``attempt``,
                                                                ``model``, ``provider``,
                                                                ``prices``
``baton.workflow.finished``    ``duration``                     ``workflow_id``,
                                                                ``workflow_label``, ``outcome``,
                                                                ``failed_steps``, ``failed``
``baton.workflow.failed``      ``duration``                     the same
``baton.queue.start``                                           ``acks``, ``capacities``
``baton.queue.stop``           ``duration``, ``count``          ``acks``, ``capacities``
``baton.queue.exception``      ``duration``                     ``acks``, ``capacities``, ``error``
``baton.plugin.start``                                          ``plugin``
``baton.plugin.stop``          ``duration``                     ``plugin``
``baton.plugin.exception``     ``duration``                     ``plugin``, ``error``
``baton.plugin.pruned``        ``count``                        ``plugin``; ``completed``,
                                                                ``discarded``, ``cancelled``, or how
                                                                many rows by table
``baton.plugin.rescued``       ``count``, ``discarded``         ``plugin``, ``ids``,
                                                                ``discarded_ids``, ``leases``
``baton.plugin.sweep``         ``swept``, ``released``,         ``plugin``, and from ``slow sweep``
                               ``found``                        how many by what was wrong
``baton.llm.held``                                              ``job``, ``budget``, ``reason``,
                                                                ``resumes_at``
``baton.llm.cancelled``                                         the same
``baton.insert.start``                                          ``jobs``
``baton.insert.stop``          ``duration``, ``count``          ``jobs``
``baton.insert.exception``     ``duration``                     ``jobs``, ``error``
=============================  ===============================  ===================================

``baton.llm.held`` tells of an attempt that a budget, of this id, kept from starting, and
``baton.llm.cancelled`` that it had the workflow cancelled.
``jobs`` are those that are inserted; none with ``insert_many``, which has not read them yet.
Times are in seconds. ``queue_time`` is how long the job could have run and did not. ``job`` is the
`baton.Job`; ``error`` the exception, or ``None`` when there was none in this process.

The states of ``baton.step.<state>`` are ``snoozed``, ``completed``, ``retryable``, ``discarded``
and ``cancelled``, told once the database has accepted them. A step's metadata are ``job``,
``job_id``, ``workflow_id``, ``workflow_label``, ``step_name``, ``state``, ``worker``, ``attempt``,
``skipped`` and ``error``, which is a text here. ``job`` is ``None`` and the times are 0 when no
attempt of this process stands for it: a cascade, a skipped step, what a sweep or a rescue found.
``baton.llm.usage`` is told when what a language model was used for is recorded: of each model what
is new, so that sums over events are right, also where a stream says more and more of one call
(``calls`` is then 0). ``cost`` is a ``Decimal`` in US dollars, ``None`` without a price. What child
processes use is told by their parent.

``baton.workflow.finished`` tells every end of a workflow, ``baton.workflow.failed`` also those with
the outcome ``failed``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Any, ClassVar

import structlog

from baton.errors import DuplicateHandler
from baton.verbosity import report_error

Handler = Callable[[str, Mapping[str, Any], Mapping[str, Any]], object]

_FAILURES = frozenset({"exception", "failed", "retryable", "discarded"})
DEFAULT_LOGGER = "baton-default-logger"

log = structlog.get_logger("baton.telemetry")


@dataclass(frozen=True, slots=True)
class Attached:
    """A handler and what it is attached to; an event that ends with ``*`` stands for many."""

    name: str
    events: tuple[str, ...]
    handler: Handler

    def hears(self, event: str) -> bool:
        """Whether it is to be called for an event."""
        return any(
            event == wanted or (wanted.endswith("*") and event.startswith(wanted[:-1]))
            for wanted in self.events
        )


class Telemetry:
    """Attach handlers to events; everything belongs to the process."""

    _attached: ClassVar[Mapping[str, Attached]] = {}
    _heard: ClassVar[dict[str, tuple[Attached, ...]]] = {}
    _lock: ClassVar = Lock()

    @classmethod
    def attach(cls, name: str, events: str | Iterable[str], handler: Handler) -> None:
        """Call a function at events.

        It is called where the event happens, on the event loop as a rule, so it must be quick. One
        that raises is detached and logged; the job is not touched.

        Args:
            name: to detach it by.
            events: one or several, like ``baton.job.stop``; ``baton.job.*`` stands for all of jobs.
            handler: called with the event, its measurements and its metadata.

        Raises:
            DuplicateHandler: the name is taken.
        """
        wanted = (events,) if isinstance(events, str) else tuple(events)
        with cls._lock:
            if name in cls._attached:
                raise DuplicateHandler(name)
            cls._attached = {**cls._attached, name: Attached(name, wanted, handler)}
            cls._heard = {}

    @classmethod
    def detach(cls, name: str) -> bool:
        """Stop calling a handler; false when there is none of that name."""
        with cls._lock:
            found = name in cls._attached
            cls._attached = {key: each for key, each in cls._attached.items() if key != name}
            cls._heard = {}
        return found

    @classmethod
    def handlers(cls) -> list[str]:
        """Return the names of the attached handlers."""
        return list(cls._attached)

    @classmethod
    def attach_default_logger(cls, *, level: str = "info", events: str = "baton.*") -> None:
        """Log every event under its own name, with the ids of its job and not its arguments.

        Failures are warnings at least: exceptions, steps that are ``retryable`` or ``discarded``,
        and workflows that failed.

        Raises:
            DuplicateHandler: it is attached already.
        """
        logger = structlog.get_logger("baton.telemetry")
        write = getattr(logger, level)
        warn = write if level in {"error", "critical"} else logger.warning

        def handler(
            event: str, measurements: Mapping[str, Any], metadata: Mapping[str, Any]
        ) -> None:
            failed = event.rpartition(".")[2] in _FAILURES
            (warn if failed else write)(event, **_facts(measurements, metadata))

        cls.attach(DEFAULT_LOGGER, events, handler)

    @classmethod
    def detach_default_logger(cls) -> bool:
        """Stop logging every event; false when it was not attached."""
        return cls.detach(DEFAULT_LOGGER)

    @classmethod
    def wants(cls, event: str) -> bool:
        """Whether anybody hears an event."""
        return bool(cls._attached) and bool(cls._hearing(event))

    @classmethod
    def execute(
        cls, event: str, measurements: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> None:
        """Call the handlers of an event. Programs may have events of their own."""
        if not cls._attached:
            return
        for each in cls._hearing(event):
            try:
                each.handler(event, measurements, metadata)
            except Exception:
                cls.detach(each.name)
                report_error(log, "telemetry.handler_detached", handler=each.name, during=event)

    @classmethod
    def span(
        cls, prefix: str, metadata: Mapping[str, Any]
    ) -> AbstractContextManager[dict[str, Any]]:
        """Tell the start of the block, and its stop or the exception that left it.

        Yields:
            Measurements for the stop; ``duration`` is added.
        """
        return cls._told(prefix, metadata) if cls._attached else nullcontext({})

    @classmethod
    @contextmanager
    def _told(cls, prefix: str, metadata: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        measurements: dict[str, Any] = {}
        cls.execute(f"{prefix}.start", {}, metadata)
        started = perf_counter()
        try:
            yield measurements
        except BaseException as error:
            took = {"duration": perf_counter() - started}
            cls.execute(f"{prefix}.exception", took, {**metadata, "error": error})
            raise
        took = {"duration": perf_counter() - started}
        cls.execute(f"{prefix}.stop", {**measurements, **took}, metadata)

    @classmethod
    def _hearing(cls, event: str) -> tuple[Attached, ...]:
        heard = cls._heard
        if event not in heard:
            heard[event] = tuple(each for each in cls._attached.values() if each.hears(event))
        return heard[event]


def _facts(measurements: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    facts = {
        f"{name}_ms" if isinstance(number, float) else name: (
            round(number * 1000, 1) if isinstance(number, float) else number
        )
        for name, number in measurements.items()
    }
    for name, value in metadata.items():
        if name == "job":
            facts |= (
                {}
                if value is None
                else {
                    "job": value.id,
                    "worker": value.worker,
                    "queue": value.queue,
                    "attempt": value.attempt,
                }
            )
        elif name == "jobs":
            facts["jobs"] = len(value)
        elif name == "job_id":
            facts["job"] = value
        elif name == "workflow_id":
            facts[name] = str(value)
        elif name not in {"traceback", "error"} or (name == "error" and isinstance(value, str)):
            facts[name] = value
    return facts
