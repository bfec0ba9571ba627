"""What new jobs have in common: everything but their arguments, written once for many.

Most jobs that are inserted together come from the same line of code and differ in nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter, eq
from typing import Any, NamedTuple, overload

from pydantic_core import from_json

from baton import documents
from baton.errors import InvalidJob, TooLarge
from baton.jobs import Job, NewJob
from baton.states import State
from baton.store import literals


class Shape(NamedTuple):
    """A new job without its arguments; ``meta`` is JSON, and holds the carried context."""

    queue: str
    worker: str
    priority: int
    max_attempts: int
    tags: tuple[str, ...]
    scheduled_at: datetime | None
    schedule_in: float | None
    timeout: float | None
    deadline: datetime | None
    weight: int
    meta: str

    @property
    def is_simple(self) -> bool:
        """Whether it has nothing beside its queue and worker that it would not have by default."""
        return self[2:] == PLAIN[2:]

    @property
    def delay(self) -> float | None:
        """Seconds after the insert, as the database takes them."""
        return _float(self.schedule_in)

    @property
    def time(self) -> datetime | None:
        """When it is due; a delay wins."""
        return self.scheduled_at if self.schedule_in is None else None

    def due(self, present: datetime) -> datetime:
        """Return when a job that is inserted now may start.

        Raises:
            InvalidJob: the delay leads to no time.
        """
        if self.schedule_in is not None:
            try:
                return present + timedelta(seconds=self.schedule_in)
            except (ValueError, OverflowError) as error:
                raise InvalidJob(
                    f"schedule_in of a job of {self.worker} can't be {self.schedule_in!r}: {error}"
                ) from None
        return present if self.scheduled_at is None else self.scheduled_at

    def job(
        self,
        job_id: int,
        args: bytes,
        *,
        state: State,
        meta: Mapping[str, Any],
        inserted_at: datetime,
        scheduled_at: datetime,
    ) -> Job:
        """Return a job of this shape as it was inserted."""
        return Job(
            id=job_id,
            state=state,
            queue=self.queue,
            worker=self.worker,
            args=from_json(args),
            meta=meta,
            tags=self.tags,
            priority=self.priority,
            attempt=0,
            max_attempts=self.max_attempts,
            errors=[],
            epoch=0,
            inserted_at=inserted_at,
            scheduled_at=scheduled_at,
            timeout=_float(self.timeout),
            deadline=self.deadline,
            weight=self.weight,
        )


class Ready(NamedTuple):
    """A new job that is not unique, checked and written as the database takes it."""

    args: bytes
    shape: Shape

    def inserted(self, job_id: int, inserted_at: datetime, scheduled_at: datetime) -> Job:
        """Return the job that this has become."""
        return self.shape.job(
            job_id,
            self.args,
            state=State.SCHEDULED if scheduled_at > inserted_at else State.AVAILABLE,
            meta={} if self.shape.meta == "{}" else from_json(self.shape.meta),
            inserted_at=inserted_at,
            scheduled_at=scheduled_at,
        )


_FACTS = attrgetter(*Shape._fields[:-1])


PLAIN = Shape._make((*_FACTS(NewJob(worker="any")), "{}"))


class Shapes:
    """Makes each shape once, so that many jobs share it, and nobody compares what is the same.

    Args:
        limit: bytes that the arguments of a job may take as JSON.
    """

    MOST = 1_000  # kept, for jobs that have nothing in common

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[tuple[Any, ...], Shape] = {}

    def ready(self, job: NewJob) -> Ready:
        """Do what the function `ready` does."""
        meta = (
            encode(job, "meta", with_context(job), self._limit) if job.meta or job.context else "{}"
        )
        facts = (*_FACTS(job), meta)
        shape = self._known.get(facts)
        if shape is None:
            if len(self._known) >= self.MOST:
                self._known.clear()
            shape = self._known[facts] = Shape._make(facts)
        return Ready(encoded(job, "arguments", job.args, self._limit), shape)


class Inserted(Sequence[Job]):
    """Jobs as they were inserted; each is made when it is looked at.

    Attributes:
        ids: of all jobs, ascending.
    """

    __slots__ = ("_inserted_at", "_ready", "ids")

    def __init__(self, ready: Sequence[Ready], ids: Sequence[int], inserted_at: datetime) -> None:
        self._ready = ready
        self.ids = ids
        self._inserted_at = inserted_at

    def __len__(self) -> int:
        return len(self._ready)

    @overload
    def __getitem__(self, place: int) -> Job: ...
    @overload
    def __getitem__(self, place: slice) -> list[Job]: ...
    def __getitem__(self, place: int | slice) -> Job | list[Job]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        ready, present = self._ready[place], self._inserted_at
        due = ready.shape.due(present).astimezone(present.tzinfo)
        return ready.inserted(self.ids[place], present, due)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self):,} inserted jobs>"


def ready(job: NewJob, limit: int) -> Ready:
    """Check a job that is not unique, and write it.

    Raises:
        TooLarge: its arguments take more than ``limit`` bytes.
        InvalidJob: its arguments or meta can't be stored.
    """
    meta = encode(job, "meta", with_context(job), limit) if job.meta or job.context else "{}"
    return Ready(encoded(job, "arguments", job.args, limit), Shape._make((*_FACTS(job), meta)))


def with_context(job: NewJob, identity: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a job's meta with what Baton adds to it."""
    context = {"context": dict(job.context)} if job.context else {}
    return {**job.meta, **(identity or {}), **context}


def encode(job: NewJob, what: str, value: Mapping[str, Any], limit: int) -> str:
    """Write arguments or meta as JSON.

    Raises:
        TooLarge: they take more than ``limit`` bytes.
        InvalidJob: they can't be stored.
    """
    return encoded(job, what, value, limit).decode()


def encoded(job: NewJob, what: str, value: Mapping[str, Any], limit: int) -> bytes:
    """Do what `encode` does, for where bytes are wanted."""
    try:
        document = documents.encode_mapping(value)
    except (TypeError, ValueError) as error:
        raise InvalidJob(f"{what} of a job of {job.worker} can't be stored: {error}") from None
    if len(document) > limit:
        raise TooLarge(f"{what} of a job of {job.worker}", len(document), limit, "max_args_bytes")
    return document


def simple(job: Ready) -> dict[str, Any]:
    """Return one job as the parameters of ``job_insert_simple.sql``."""
    return {"queue": job.shape.queue, "worker": job.shape.worker, "args": job.args.decode()}


def single(job: Ready) -> dict[str, Any]:
    """Return one job as the parameters of ``job_insert_one.sql``."""
    shape = job.shape
    return {
        "queue": shape.queue,
        "worker": shape.worker,
        "args": job.args.decode(),
        "meta": shape.meta,
        "tags": list(shape.tags) or "{}",
        "priority": shape.priority,
        "max_attempts": shape.max_attempts,
        "scheduled_at": shape.time,
        "delay": shape.delay,
        "timeout": _float(shape.timeout),
        "deadline": shape.deadline,
        "weight": shape.weight,
    }


def columns(jobs: Sequence[Ready]) -> dict[str, Any]:
    """Return jobs as the parameters of ``jobs_insert_plain.sql``."""
    numbers: dict[Shape, int] = {}
    places = [numbers.setdefault(job.shape, len(numbers) + 1) for job in jobs]
    shapes = tuple(numbers)
    common = _alike(shapes[0]) if len(shapes) == 1 else _columns(shapes)
    return {
        "args": literals.documents(job.args for job in jobs),
        "shapes": literals.numbers(places),
        **common,
    }


@lru_cache(maxsize=16)
def _alike(shape: Shape) -> Mapping[str, Any]:
    return _columns((shape,))


def _columns(shapes: Sequence[Shape]) -> dict[str, Any]:
    return {
        "queue": literals.texts(shape.queue for shape in shapes),
        "worker": literals.texts(shape.worker for shape in shapes),
        "meta": literals.texts(shape.meta for shape in shapes),
        "tags": literals.texts(
            documents.encode(list(shape.tags)) if shape.tags else "[]" for shape in shapes
        ),
        "priority": literals.numbers(shape.priority for shape in shapes),
        "max_attempts": literals.numbers(shape.max_attempts for shape in shapes),
        "scheduled_at": literals.times(shape.time for shape in shapes),
        "delay": literals.numbers(shape.delay for shape in shapes),
        "timeout": literals.numbers(_float(shape.timeout) for shape in shapes),
        "deadline": literals.times(shape.deadline for shape in shapes),
        "weight": literals.numbers(shape.weight for shape in shapes),
    }


def _float(number: float | None) -> float | None:
    # the column is of one type, and a program may have given integers
    return None if number is None else float(number)
