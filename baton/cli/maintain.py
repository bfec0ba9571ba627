"""``baton maintain``: how the tables are after a year, and what to do about it."""

import json
import sys
import time
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from baton.cli import table
from baton.cli.options import Dsn, Schema
from baton.cli.output import Form, Output, emit
from baton.cli.progress import progress
from baton.errors import ConfigurationError
from baton.settings import load
from baton.store.maintenance import Maintenance, maintenance
from baton.upkeep import Index, Report, advice, size, to_rebuild


def maintain(
    dsn: Dsn = None,
    schema: Schema = None,
    *,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum", envvar="BATON_VACUUM", help="Remove dead rows and renew the statistics."
        ),
    ] = False,
    reindex: Annotated[
        bool,
        typer.Option(
            "--reindex",
            envvar="BATON_REINDEX",
            help="Rebuild bloated indexes while the queue goes on.",
        ),
    ] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            envvar="BATON_REINDEX_ALL",
            help="With --reindex: all partial indexes, bloated or not.",
        ),
    ] = False,
    output: Output = Form.TABLE,
) -> None:
    """Show how the tables and indexes are, and what to do about it; do it when told to."""
    if everything and not reindex:
        raise ConfigurationError("--all says which indexes --reindex rebuilds; add --reindex")
    settings = load(dsn=dsn, schema=schema)
    with maintenance(settings.conninfo, schema=settings.db_schema, warn=_say) as found:
        done = _vacuum(found) if vacuum else []
        if reindex:
            done += _reindex(found, everything=everything)
        report = found.look()
    if output.is_data:
        emit(output, {**_as_json(report), "advice": advice(report), "done": done})
    else:
        _show(report)


def _vacuum(found: Maintenance) -> list[str]:
    done = []
    total = len(found.look().tables)
    began = time.monotonic()
    with progress("vacuuming") as tell:
        for name in found.vacuum():
            _say(f"vacuumed {name} in {time.monotonic() - began:.1f} s")
            done.append(f"vacuumed {name}")
            tell(len(done) / total, len(done))
            began = time.monotonic()
    return done


def _reindex(found: Maintenance, *, everything: bool) -> list[str]:
    done = []
    total = len(to_rebuild(found.look(), all_hot=everything)) or 1
    with progress("rebuilding indexes") as tell:
        for index, now in found.reindex(all_hot=everything):
            if now is None:
                done.append(f"removed {index.name}")
            else:
                done.append(f"rebuilt {index.name}: {size(index.bytes)}, now {size(now)}")
            _say(done[-1])
            tell(min(1.0, len(done) / total), len(done))
    if not done:
        _say("no index needs to be rebuilt")
    return done


def _show(report: Report) -> None:
    tables = table.listing("table", "size", "rows", "dead rows", "last autovacuum", "last vacuum")
    for each in report.tables:
        tables.add_row(
            each.name,
            size(each.bytes),
            f"{each.rows:,}",
            f"{each.dead:,}",
            _moment(each.last_autovacuum),
            _moment(each.last_vacuum),
        )
    table.show(tables)
    print()
    indexes = table.listing("index", "table", "size", "new about", "")
    for index in report.indexes:
        if index.hot or index.is_bloated or not index.valid:
            new = "?" if index.expected is None else size(min(index.bytes, index.expected))
            indexes.add_row(index.name, index.table, size(index.bytes), new, _state(index))
    table.show(indexes)
    print()
    for holder in report.holders[:1]:
        since = _moment(holder.since)
        print(f"oldest to hold back vacuum: {holder.kind} {holder.who}, since {since or '?'}")
    for sentence in advice(report) or ["nothing needs to be done"]:
        print(sentence)


def _state(index: Index) -> str:
    if index.is_bloated:
        return "bloated"
    if index.building:
        return "being built"
    return "" if index.valid else "invalid"


def _moment(at: datetime | None) -> str:
    return "" if at is None else table.moment(at)


def _as_json(report: Report) -> dict[str, Any]:
    indexes = [{**asdict(index), "bloated": index.is_bloated} for index in report.indexes]
    return json.loads(  # type: ignore[no-any-return]
        json.dumps({**asdict(report), "indexes": indexes}, default=datetime.isoformat)
    )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
