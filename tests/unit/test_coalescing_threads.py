"""Inserts of several threads that meet go together; each thread has its own end."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from baton.client.coalescing import SyncCoalescer
from baton.errors import DatabaseUnavailable, InvalidData

LONG = 60  # seconds


class Table:
    """Takes texts in statements that wait until they are let go."""

    def __init__(self) -> None:
        self.statements: list[list[str]] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        self.error: BaseException | None = None
        self.also: Callable[[], object] = lambda: None
        self.coalescer = SyncCoalescer(self.insert)

    def insert(self, jobs: Sequence[str]) -> list[str]:
        self.statements.append(list(jobs))
        self.begun.set()
        assert self.go.wait(LONG)
        also, self.also = self.also, lambda: None
        also()
        if self.error is not None and len(jobs) > 1:
            raise self.error
        if "bad" in jobs:
            raise InvalidData("bad")
        return [job.upper() for job in jobs]


def inserted(table: Table, *jobs: str) -> list[str | BaseException]:
    """Insert the first, and the others while its statement is under way; return their ends."""
    with ThreadPoolExecutor(len(jobs)) as threads:
        ends: list[Future[str]] = [threads.submit(table.coalescer.insert, jobs[0])]
        assert table.begun.wait(LONG)
        for count, job in enumerate(jobs[1:], 1):
            ends.append(threads.submit(table.coalescer.insert, job))
            while table.coalescer.gathered < count:
                pass
        table.go.set()
        assert not wait(ends, LONG).not_done
    return [end.exception() or end.result() for end in ends]


def test_a_job_that_comes_alone_is_inserted_at_once() -> None:
    table = Table()
    table.go.set()
    assert [table.coalescer.insert("a"), table.coalescer.insert("b")] == ["A", "B"]
    assert table.statements == [["a"], ["b"]]


def test_what_comes_during_a_statement_goes_together_in_the_next() -> None:
    table = Table()
    assert inserted(table, "a", "b", "c", "d") == ["A", "B", "C", "D"]
    assert table.statements == [["a"], ["b", "c", "d"]]
    assert table.coalescer.insert("e") == "E"


def test_the_error_of_one_job_is_not_that_of_others() -> None:
    table = Table()
    ends = inserted(table, "a", "b", "bad", "c")
    assert [end for end in ends if isinstance(end, str)] == ["A", "B", "C"]
    assert isinstance(ends[2], InvalidData)


def test_a_database_that_is_away_is_asked_once_for_all() -> None:
    table = Table()
    table.error = DatabaseUnavailable("away")
    ends = inserted(table, "a", "b", "c")
    assert [type(end) for end in ends] == [str, DatabaseUnavailable, DatabaseUnavailable]
    assert table.statements == [["a"], ["b", "c"]]


def test_who_is_interrupted_while_it_inserts_for_all_holds_nobody_up() -> None:
    table = Table()
    table.error = KeyboardInterrupt()
    ends = inserted(table, "a", "b", "c")
    assert [type(end) for end in ends] == [str, KeyboardInterrupt, DatabaseUnavailable]
    assert table.coalescer.insert("d") == "D"


def test_after_an_error_the_next_job_is_inserted() -> None:
    table = Table()
    table.go.set()
    with pytest.raises(InvalidData):
        table.coalescer.insert("bad")
    assert table.coalescer.insert("a") == "A"


def test_the_handler_of_a_signal_that_inserts_does_not_wait_for_the_thread_it_interrupts() -> None:
    table = Table()
    table.go.set()
    table.also = lambda: table.coalescer.insert("from the handler")
    assert table.coalescer.insert("a") == "A"
    assert table.statements == [["a"], ["from the handler"]]
