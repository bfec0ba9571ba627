"""Many jobs at once, by COPY, which takes half the server's time of an insert.

Copied are jobs that are not unique, of queues without partitions; the others go through their own
statements, in between and in the same transaction. Rows are written here while the server reads
those before, so that both work at the same time.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from struct import Struct
from time import monotonic
from typing import Any

from baton.jobs import Job, NewJob
from baton.store.jobs import Insertion, insertion
from baton.store.shapes import Inserted, Ready, Shape, Shapes

PIECE = 500  # jobs that are written in one go
LONGEST = 10_000  # jobs of one COPY: statement_timeout bounds it, and is not to bound them all
SLOW = 1.0  # seconds after which a COPY ends when a program is slow to say what it wants
SOON = timedelta(seconds=1.5)  # what the stagers don't see by themselves in time

COMMON = ("queue", "worker", "inserted_at", "scheduled_at")
RARE = ("state", "meta", "tags", "priority", "max_attempts", "timeout", "deadline", "weight")

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NULL = b"\xff\xff\xff\xff"
_TEXT = 25  # the oid of the type

_int = Struct(">i").pack
_small = Struct(">ih").pack
_big = Struct(">iq").pack
_double = Struct(">id").pack
_array = Struct(">iii").pack  # dimensions; whether nulls are among them; type
_row = Struct(">hiB").pack  # how many fields; then the first: length and version of a jsonb
_row_with_id = Struct(">hiqiB").pack


@dataclass(frozen=True, slots=True)
class Copied:
    """One COPY: its columns, and its data, which are made when they are read."""

    columns: Sequence[str]
    data: Iterator[bytes]


class Stream:
    """Divides jobs into COPYs and other statements, in the order in which they come.

    Args:
        jobs: checked; read piece by piece.
        present: the time of the insert.
        limit: bytes that the arguments of a job may take as JSON.
        divided: the queues that have partitions.
        ids: those of the jobs, which are then kept; by default the table draws them.

    Attributes:
        count: how many jobs were copied, and how many the other statements brought.
        queues: those that have something to start, of jobs that were copied.
        soon: whether one of those is due sooner than the stagers look by themselves.
    """

    def __init__(
        self,
        jobs: Iterable[NewJob],
        present: datetime,
        *,
        limit: int,
        divided: Collection[str] = (),
        ids: Sequence[int] | None = None,
    ) -> None:
        self.count = 0
        self.queues: set[str] = set()
        self.soon = False
        self._ready: list[Ready] = []
        self._jobs = iter(jobs)
        self._present = present
        self._limit = limit
        self._divided = frozenset(divided)
        self._names = sorted(ids or ())
        self._ids = None if ids is None else iter(self._names)
        self._shapes = Shapes(limit)
        self._tails: dict[tuple[Shape, bool], bytes] = {}
        self._next: list[NewJob] = []

    def statements(self) -> Iterator[Copied | Insertion]:
        """Return what to run; each is to be run before the next is asked for.

        Raises:
            InvalidJob: a job can't be stored.
        """
        self._take()
        while self._next:
            if self._is_special(self._next):
                yield insertion(self._next, self._limit)
                self._take()
            else:
                ready = self._write(self._next)
                rare = _is_rare(ready)
                names = ("args", *COMMON, *(RARE if rare else ()))
                columns = names if self._ids is None else ("id", *names)
                yield Copied(columns, self._data(ready, len(columns), rare=rare))

    def add(self, inserted: Iterable[Job]) -> None:
        """Count what another statement than a COPY brought."""
        self.count += sum(not job.conflict for job in inserted)

    def inserted(self) -> Inserted:
        """Return the jobs that were copied."""
        return Inserted(self._ready, self._names, self._present)

    def told(self) -> dict[str, Any]:
        """Return the parameters of ``jobs_tell.sql``."""
        return {"queues": sorted(self.queues), "soon": self.soon}

    def _data(self, ready: list[Ready], width: int, *, rare: bool) -> Iterator[bytes]:
        yield _HEAD
        ends, most = monotonic() + SLOW, self.count + LONGEST
        while True:
            yield self._rows(ready, width, rare=rare)
            self.count += len(ready)
            self._take()
            if not self._next or self._is_special(self._next):
                break
            if self.count >= most or monotonic() > ends:
                break
            ready = self._write(self._next)
            if not rare and _is_rare(ready):
                break
        yield _END

    def _take(self) -> None:
        self._next = list(islice(self._jobs, PIECE))

    def _write(self, jobs: Sequence[NewJob]) -> list[Ready]:
        return [self._shapes.ready(job) for job in jobs]

    def _is_special(self, jobs: Sequence[NewJob]) -> bool:
        if not self._divided:
            return any(job.unique is not None for job in jobs)
        return any(job.unique is not None or job.queue in self._divided for job in jobs)

    def _rows(self, ready: Sequence[Ready], width: int, *, rare: bool) -> bytes:
        parts: list[bytes] = []
        last, tail = None, b""
        for args, shape in ready:
            if shape is not last:
                last, tail = shape, self._tail(shape, rare=rare)
            if self._ids is None:
                parts += (_row(width, len(args) + 1, 1), args, tail)
            else:
                parts += (_row_with_id(width, 8, next(self._ids), len(args) + 1, 1), args, tail)
        if self._ids is not None:
            self._ready += ready
        return b"".join(parts)

    def _tail(self, shape: Shape, *, rare: bool) -> bytes:
        """Return a row behind its arguments."""
        if (shape, rare) in self._tails:
            return self._tails[shape, rare]
        due = shape.due(self._present)
        if due <= self._present:
            self.queues.add(shape.queue)
        elif due < self._present + SOON:
            self.soon = True
        fields = [_bytes(shape.queue), _bytes(shape.worker), _moment(self._present), _moment(due)]
        if rare:
            fields += _rare(shape, "scheduled" if due > self._present else "available")
        tail = self._tails[shape, rare] = b"".join(fields)
        return tail


def _is_rare(ready: Sequence[Ready]) -> bool:
    shapes = {id(each.shape): each.shape for each in ready}
    return not all(shape.is_simple for shape in shapes.values())


def _rare(shape: Shape, state: str) -> list[bytes]:
    """Return the fields of `RARE`."""
    meta = shape.meta.encode()
    return [
        _bytes(state),
        _int(len(meta) + 1) + b"\x01" + meta,
        _texts(shape.tags),
        _small(2, shape.priority),
        _small(2, shape.max_attempts),
        _NULL if shape.timeout is None else _double(8, shape.timeout),
        _NULL if shape.deadline is None else _moment(shape.deadline),
        _small(2, shape.weight),
    ]


def _bytes(text: str) -> bytes:
    written = text.encode()
    return _int(len(written)) + written


def _moment(time: datetime) -> bytes:
    return _big(8, (time - _EPOCH) // _MICROSECOND)


def _texts(texts: Sequence[str]) -> bytes:
    dimension = _int(len(texts)) + _int(1) if texts else b""
    array = _array(bool(texts), 0, _TEXT) + dimension + b"".join(map(_bytes, texts))
    return _int(len(array)) + array
