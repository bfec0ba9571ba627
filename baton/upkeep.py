"""How the tables of a long-running installation are, and what is to be done about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SMALLEST = 1 << 20  # bytes; below, nothing is worth a rebuild
BLOATED = 3.0  # times what a new index would take
DEAD_ROWS = 10_000  # and a fifth of the table: more than autovacuum leaves
DEAD_SHARE = 0.2
LONG = timedelta(minutes=10)  # for a transaction


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its indexes included.

    Attributes:
        bytes: of the table with everything that belongs to it.
        rows: how many there are, about.
        dead: how many rows wait for vacuum, about.
    """

    name: str
    bytes: int
    rows: int
    dead: int
    last_autovacuum: datetime | None
    last_vacuum: datetime | None


@dataclass(frozen=True, slots=True)
class Index:
    """An index.

    Attributes:
        expected: bytes that a new one would take, about; ``None`` when that is not known yet.
        hot: it is one of the partial ones of jobs, through which every job passes.
        valid: false for what an interrupted rebuild left.
        building: it is being built right now.
    """

    name: str
    table: str
    bytes: int
    expected: int | None
    hot: bool
    valid: bool
    building: bool

    @property
    def is_bloated(self) -> bool:
        """Whether a rebuild would pay."""
        if self.expected is None or not self.valid:
            return False
        return self.bytes > BLOATED * self.expected and self.bytes - self.expected > SMALLEST

    @property
    def is_leftover(self) -> bool:
        """Whether an interrupted rebuild left it."""
        stem, _, ending = self.name.rpartition("_cc")
        made = bool(stem) and ending[:3] in {"new", "old"}
        return made and not self.valid and not self.building


@dataclass(frozen=True, slots=True)
class Holder:
    """Something that keeps vacuum from removing what is dead.

    Attributes:
        kind: transaction, prepared transaction, replication slot or standby.
        who: what identifies it.
        since: when it began, where that is known.
        age: how many transactions began since.
        activity: what it does.
    """

    kind: str
    who: str
    since: datetime | None
    age: int
    activity: str


@dataclass(frozen=True, slots=True)
class Report:
    """How things stand; the largest tables and indexes come first, and the oldest holder."""

    now: datetime
    tables: Sequence[Table]
    indexes: Sequence[Index]
    holders: Sequence[Holder]


def advice(report: Report) -> list[str]:
    """Return what is to be done, a sentence each; nothing when all is well."""
    return [*_about_holders(report), *_about_tables(report), *_about_indexes(report)]


def to_rebuild(report: Report, *, all_hot: bool) -> list[Index]:
    """Return the indexes that are to be rebuilt: those that are bloated, or also all hot ones."""
    return [
        index
        for index in report.indexes
        if index.valid and (index.is_bloated or (all_hot and index.hot))
    ]


def is_dead(table: Table) -> bool:
    """Whether a table holds more dead rows than autovacuum leaves."""
    return table.dead > DEAD_ROWS and table.dead > DEAD_SHARE * table.rows


def size(count: int) -> str:
    """Write a number of bytes as people read it."""
    amount, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1024:  # noqa: PLR2004
            break
        amount, unit = amount / 1024, larger
    return f"{amount:,.0f} {unit}" if unit == "bytes" or amount >= 10 else f"{amount:.1f} {unit}"  # noqa: PLR2004


def _about_holders(report: Report) -> Iterator[str]:
    for holder in report.holders[:1]:
        if holder.since is None or report.now - holder.since >= LONG:
            since = f" since {holder.since:%Y-%m-%d %H:%M:%S %Z}" if holder.since else ""
            yield (
                f"{holder.kind} {holder.who} has kept dead rows from being removed{since} "
                f"({holder.activity}); end it, before anything else"
            )


def _about_tables(report: Report) -> Iterator[str]:
    for table in report.tables:
        if is_dead(table):
            yield f"{table.name} has {table.dead:,} dead rows; run: baton maintain --vacuum"


def _about_indexes(report: Report) -> Iterator[str]:
    for index in report.indexes:
        if index.is_bloated:
            yield (
                f"{index.name} takes {size(index.bytes)} and a new one would take "
                f"{size(index.expected or 0)}; run: baton maintain --reindex"
            )
        elif index.is_leftover:
            yield f"an interrupted rebuild left {index.name}; run: baton maintain --reindex"
