"""What a long-running installation is advised to do."""

from datetime import UTC, datetime, timedelta

from baton.upkeep import Holder, Index, Report, Table, advice, size, to_rebuild

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MB = 1 << 20


def index(name: str = "jobs_due", *, held: int = 9 * MB, expected: int | None = MB) -> Index:
    return Index(name, "jobs", held, expected, hot=True, valid=True, building=False)


def report(*indexes: Index, tables: list[Table] | None = None, since: datetime = NOW) -> Report:
    holder = Holder("transaction", "pid 7 (user app, psql)", since, 5, "idle in transaction")
    return Report(NOW, tables or [], indexes, [holder])


def test_an_index_is_bloated_when_a_new_one_would_be_much_smaller() -> None:
    assert index().is_bloated
    assert not index(held=3 * MB).is_bloated
    assert not index(held=MB, expected=16_384).is_bloated
    assert not index(expected=None).is_bloated
    assert not Index("i", "jobs", 9 * MB, MB, hot=True, valid=False, building=False).is_bloated


def test_a_leftover_is_invalid_and_named_as_postgresql_names_them() -> None:
    def left(name: str, *, valid: bool = False, building: bool = False) -> bool:
        return Index(name, "t", 0, 0, hot=False, valid=valid, building=building).is_leftover

    assert left("jobs_due_ccnew")
    assert left("jobs_due_ccold2")
    assert not left("jobs_due_ccnew", valid=True)
    assert not left("jobs_due_ccnew", building=True)
    assert not left("jobs_due")
    assert not left("jobs_cc_old")


def test_bloated_indexes_are_rebuilt_and_all_hot_ones_on_request() -> None:
    bloated, fine = index(), index("jobs_available", held=MB)
    other = Index("jobs_pkey", "jobs", MB, MB, hot=False, valid=True, building=False)
    found = report(bloated, fine, other)
    assert to_rebuild(found, all_hot=False) == [bloated]
    assert to_rebuild(found, all_hot=True) == [bloated, fine]


def test_a_long_transaction_comes_first() -> None:
    young = report(index(), since=NOW - timedelta(minutes=9))
    old = report(index(), since=NOW - timedelta(minutes=11))
    assert len(advice(young)) == 1
    first, second = advice(old)
    assert first.startswith("transaction pid 7 (user app, psql) has kept dead rows")
    assert "since 2026-11-21 11:49:00 UTC (idle in transaction)" in first
    assert second == (
        "jobs_due takes 9.0 MB and a new one would take 1.0 MB; run: baton maintain --reindex"
    )


def test_many_dead_rows_ask_for_a_vacuum() -> None:
    def told(rows: int, dead: int) -> int:
        return len(advice(report(tables=[Table("jobs", MB, rows, dead, None, None)])))

    assert told(100_000, 30_000) == 1
    assert told(1_000_000, 30_000) == 0
    assert told(10, 9_000) == 0


def test_sizes_are_written_as_people_read_them() -> None:
    written = [size(count) for count in (0, 1023, 1536, 20_480, 5 * MB, 3 << 30, 2 << 50)]
    assert written == ["0 bytes", "1,023 bytes", "1.5 kB", "20 kB", "5.0 MB", "3.0 GB", "2,048 TB"]
