"""What statements read and wrote, as the server itself tells: auto_explain, sent to the client.

It is counted in the session that ran them. What is said of `buffers` and `wal` also depends on how
many dead rows the server could take away, which other tests on the same server change.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import Diagnostic
from psycopg.sql import SQL, Identifier, Literal

from baton.store import door

SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_wal": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}
UNATTENDED = """
  select format('alter table %s set (autovacuum_enabled = off)', oid::regclass)
  from pg_class where relnamespace = 'baton'::regnamespace and relkind = 'r'
"""
PAGE = 8192
WRITES = ("ModifyTable", "LockRows")
Node = dict[str, Any]


@dataclass
class Explained:
    """The plans of all statements since the last `forget`, nested ones included."""

    plans: list[Node] = field(default_factory=list)

    def hear(self, notice: Diagnostic) -> None:
        head, found, plan = (notice.message_primary or "").partition("plan:\n")
        if found and head.startswith("duration:"):
            self.plans.append(json.loads(plan))

    def forget(self) -> None:
        self.plans.clear()

    @property
    def statements(self) -> int:
        """How many statements that look at tables were executed."""
        return sum(any("Relation Name" in node for node in nodes(each)) for each in self._roots())

    def read(self, *tables: str) -> float:
        """How many rows were looked at in tables (or in arrays), whether they were taken or not."""
        return sum(
            looked_at(node)
            for root in self._roots()
            for node in nodes(root)
            if _target(node) in tables and node["Node Type"] != "ModifyTable"
        )

    def written(self, table: str) -> float:
        """How many rows of a table were inserted, updated or deleted."""
        return sum(
            rows(each)
            for root in self._roots()
            for node in nodes(root)
            if node["Node Type"] == "ModifyTable" and node["Relation Name"] == table
            for each in node["Plans"]
            if each.get("Parent Relationship") == "Outer"
        )

    def wal(self, measure: str) -> float:
        """What was written ahead by all that wrote or locked rows: "Records", "Bytes" or "FPI".

        Bytes are those without the images of pages that follow a checkpoint, or a little less.
        """
        images = PAGE * self.wal("FPI") if measure == "Bytes" else 0
        return sum(node.get(f"WAL {measure}", 0) for node in self._writing()) - images

    @property
    def buffers(self) -> float:
        """How many pages were visited, each as often as it was."""
        return sum(
            root[f"Shared {kind} Blocks"]
            for root in self._roots()
            for kind in ("Hit", "Read")
            if any("Relation Name" in node for node in nodes(root))
        )

    @property
    def most(self) -> tuple[float, str]:
        """How many rows were looked at in one place, at most, and where that was."""
        found = [
            (looked_at(node), f"{node['Node Type']} {_target(node)} of {plan['Query Text']}")
            for plan in self.plans
            for node in nodes(plan["Plan"])
        ]
        return max(found, default=(0, ""))

    def _roots(self) -> list[Node]:
        return [each["Plan"] for each in self.plans]

    def _writing(self) -> Iterator[Node]:
        for root in self._roots():
            yield from _topmost(root)


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for each in node.get("Plans", ()):
        yield from nodes(each)


def rows(node: Node) -> float:
    return float(node["Actual Rows"] * node["Actual Loops"])


def looked_at(node: Node) -> float:
    removed = sum(amount for name, amount in node.items() if name.startswith("Rows Removed by"))
    return rows(node) + float(removed * node["Actual Loops"])


def _target(node: Node) -> str:
    return str(node.get("Relation Name") or node.get("Function Name") or "")


def _topmost(node: Node) -> Iterator[Node]:
    """The nodes that write, without those below them: what these wrote is in it already."""
    if node["Node Type"] in WRITES:
        yield node
        return
    for each in node.get("Plans", ()):
        yield from _topmost(each)


def explain_everything(dsn: str) -> None:
    """Have the sessions of a database that begin from now on tell the plans of their statements."""
    name = Identifier(str(conninfo_to_dict(dsn)["dbname"]))
    with psycopg.connect(dsn, autocommit=True) as conn:
        for setting, value in SETTINGS.items():
            conn.execute(
                SQL("alter database {} set {} = {}").format(
                    name, SQL(".").join(map(Identifier, setting.split("."))), Literal(value)
                )
            )
        # or a visit of autovacuum in the middle changes what the planner believes
        for (statement,) in conn.execute(UNATTENDED).fetchall():
            conn.execute(statement)


@pytest.fixture
def explained(database: str, monkeypatch: pytest.MonkeyPatch) -> Explained:
    """What the statements of Baton's own connections come to."""
    explain_everything(database)
    heard = Explained()
    connect = door.connect

    async def listening(*args: Any, **options: Any) -> Any:
        conn = await connect(*args, **options)
        conn.add_notice_handler(heard.hear)
        return conn

    monkeypatch.setattr(door, "connect", listening)
    return heard
