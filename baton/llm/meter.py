"""Records what the attempts of a process use and say, at the prices of its program."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog

from baton.documents import storable
from baton.errors import NotPerformed, UnreadableUsage
from baton.jobs import Job
from baton.llm import runs
from baton.llm.capture import MAX_BYTES, Clean, Redactor, as_it_is, captured, contents
from baton.llm.pricing import GenaiPrices, Price, Pricing
from baton.llm.responses import one_by_one, read, readable, responses_in
from baton.llm.tables import Tariff
from baton.llm.tally import Tally
from baton.llm.usage import NAME_LIMIT, Usage
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.llm")

DEAREST = 10**9  # dollars for one call
DIGITS = 18  # behind the point


@dataclass(frozen=True, slots=True)
class Capture:
    """Something that is to be kept of an attempt.

    Attributes:
        row: the columns of ``workflow_debug_logs`` that say what it is of.
        content: JSON.
    """

    row: dict[str, Any]
    content: str = field(repr=False)


class Meter:
    """Records usage in the tallies of jobs, and captures what they say.

    Args:
        on_change: called with a tally, in whichever thread, when something was recorded in it.
        on_capture: called likewise with what is to be kept.
        tariff: the prices of the settings.
        pricing: those of the program; ``None`` for genai-prices.
        redactor: hides what the program wants hidden in captures.
        clean: says of a text of an error no more than the program wants.
        debug: whether all jobs are captured, and not only those of workflows with ``debug``.
        max_bytes: the largest capture, as JSON.
        announces: whether telemetry tells of usage; not in a child process, whose parent does.
    """

    def __init__(
        self,
        on_change: Callable[[Tally], None] = lambda _: None,
        on_capture: Callable[[Capture], None] = lambda _: None,
        *,
        tariff: Tariff | None = None,
        pricing: Pricing | None = None,
        redactor: Redactor | None = None,
        clean: Clean = as_it_is,
        debug: bool = False,
        max_bytes: int = MAX_BYTES,
        announces: bool = True,
    ) -> None:
        self._on_change = on_change
        self._on_capture = on_capture
        self._pricing = pricing or GenaiPrices()
        if tariff is not None:
            self._pricing = tariff.table(self._pricing)
        self._redactor = redactor
        self.clean = clean
        self._debug = debug
        self._max_bytes = max_bytes
        self._announces = announces

    def begin(self, job: Job) -> None:
        """Have a row for this attempt, whatever it comes to."""
        self._tally(job)

    def record(
        self,
        job: Job,
        response: Any,
        *,
        model: str | None = None,
        provider: str | None = None,
        stream: str | None = None,
    ) -> Decimal | None:
        """Record what the calls behind a response used; `Job.record_usage` says more.

        What is said under the same name of a `stream` is of one call.
        """
        used = [
            (each, [usage.named(model, provider) for usage in read(each)])
            for each in flat(response)
        ]
        if not used:
            raise UnreadableUsage(response)
        _, costs = self._count(job, used, stream)
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None

    def listen(self, job: Job, value: Any, *, documents: bool = False) -> bool:
        """Record what the responses in a value used, if there are any; say whether any was new.

        Args:
            job: whose attempt it is.
            value: anything.
            documents: whether mappings are read as the JSON of responses.
        """
        found = responses_in(value, documents=documents)
        used = [(each, readable(each)) for each in found]
        return self._count(job, used)[0] if any(found for _, found in used) else False

    def lose(self, job: Job, error: BaseException, messages: Sequence[Any]) -> None:
        """Record what was answered to a call that returns nothing, since it was paid for.

        Args:
            job: whose attempt it is.
            error: what it raised; those of openai hold a completion that could not be parsed.
            messages: of a run of pydantic-ai.
        """
        self.listen(job, [getattr(error, "completion", None), *runs.answers(messages)])

    def is_unused(self, job: Job) -> bool:
        """Whether nothing was recorded of this attempt."""
        return self._tally(job).is_empty

    def _count(
        self, job: Job, used: Sequence[tuple[Any, list[Usage]]], stream: str | None = None
    ) -> tuple[bool, list[Decimal | None]]:
        tally = self._tally(job)
        new = False
        costs: list[Decimal | None] = []
        for response, found in used:
            met = not isinstance(response, Usage) and tally.has_met(response)
            for usage in found:
                price = self._price(job, usage)
                costs.append(None if price is None else price.amount)
                new = (not met and tally.add(usage, price, stream=stream)) or new
        if new:
            self._on_change(tally)
            self._tell(job, tally)
        return new, costs

    def captures(self, job: Job) -> bool:
        """Whether what a job says is kept."""
        return self._debug or job.meta.get("workflow_debug") is True

    def capture(self, job: Job, kind: str, content: Any) -> None:
        """Keep what was said, if that is wanted; nothing is raised."""
        if not self.captures(job):
            return
        try:
            tally = self._tally(job)
            if kind == "context":
                if tally.context_captured:
                    return
                tally.context_captured = True
            text, problem = captured(
                job,
                kind,
                contents(job, kind, content, self.clean),
                redactor=self._redactor,
                max_bytes=self._max_bytes,
            )
        except Exception as error:
            log.warning("capture.failed", kind=kind, error=self.clean(job, error))
            return
        if problem is not None:
            log.warning("redactor.failed", kind=kind, error=self.clean(job, problem))
        identity = _identity(job)
        names = ("job_id", "attempt", "workflow_id", "step_name")
        self._on_capture(Capture({**{name: identity[name] for name in names}, "kind": kind}, text))

    def adopt(self, job: Job, tally: Tally | None, captures: Sequence[Capture]) -> None:
        """Take over what a child process has counted and captured of an attempt."""
        for capture in captures:
            self._on_capture(capture)
        if tally is not None and job.claim is not None:
            before, job.claim.tally = job.claim.tally, tally
            self._on_change(tally)
            self._tell(job, tally, before)

    def _tell(self, job: Job, tally: Tally, before: Tally | None = None) -> None:
        """Tell what was recorded to whoever listens in this process."""
        if not self._announces:
            return
        for each in tally.news(before):
            Telemetry.execute(
                "baton.llm.usage",
                {"calls": each.calls, **each.amounts, "cost": each.cost},
                {
                    "job": job,
                    "job_id": job.id,
                    "workflow_id": job.workflow_id,
                    "workflow_label": None if job.step is None else job.step.workflow_label,
                    "step_name": job.step_name,
                    "queue": job.queue,
                    "worker": job.worker,
                    "attempt": job.attempt,
                    "model": each.model,
                    "provider": each.provider,
                    "prices": each.prices,
                },
            )

    def _tally(self, job: Job) -> Tally:
        if job.claim is None:
            raise NotPerformed(job.id)
        if job.claim.tally is None:
            job.claim.tally = Tally({**_identity(job), "lease": job.claim.lease})
        tally: Tally = job.claim.tally
        return tally

    def _price(self, job: Job, usage: Usage) -> Price | None:
        """Return a price that can be stored; what goes wrong costs the record, and not the job."""
        try:
            price = self._pricing.price(usage)
            if price is None:
                return None
            amount = Decimal(price.amount)
            if not amount.is_finite() or not 0 <= amount <= DEAREST:
                raise ValueError(f"{amount} is no price")  # noqa: TRY301
            if Decimal(amount.as_tuple().exponent) < -DIGITS:
                amount = round(amount, DIGITS)
            return Price(amount, storable(str(price.source), NAME_LIMIT))
        except Exception as error:
            log.warning("llm.unpriced", model=usage.model, error=self.clean(job, error))
            return None


def flat(response: Any) -> Iterator[Any]:
    """Yield what is in lists and runs, one by one."""
    if isinstance(response, list | tuple):
        for each in response:
            yield from flat(each)
    else:
        yield from one_by_one(response)


def _identity(job: Job) -> dict[str, Any]:
    workflow_id = job.workflow_id
    return {
        "job_id": job.id,
        "epoch": job.epoch,
        "attempt": job.attempt,
        "workflow_id": None if workflow_id is None else str(workflow_id),
        "step_name": job.step_name,
        "queue": job.queue,
        "worker": job.worker,
    }
