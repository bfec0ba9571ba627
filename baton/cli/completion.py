"""What the shell offers at a tab: names of queues, workers and workflows as they are right now.

It is silent, and gives up within a second: without a database nothing is offered.
"""

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from typer import Context

from baton.errors import BatonError
from baton.search import AuditSearch, CronSearch, Search, WorkflowSearch
from baton.search.values import OneOf
from baton.states import State

SECONDS = 1
MOST = 50
_BREAKING = set(" \t\n'\"")
Offers = Mapping[str, str | Sequence[str]]
_EVERYWHERE: Offers = {"queue": "queues", "worker": "workers", "workflow": "names"}
_OFFERS: Mapping[type[Search], Offers] = {
    WorkflowSearch: {"name": "names"},
    CronSearch: {"name": "crons"},
    AuditSearch: {"source": ("cli", "web"), "outcome": ("done", "failed")},
}


def complete_queue(context: Context, incomplete: str) -> list[str]:
    """Offer the names of queues."""
    return _fitting(incomplete, _asked(context, "queues"))


def complete_worker(context: Context, incomplete: str) -> list[str]:
    """Offer the names of workers that jobs and cron entries name."""
    return _fitting(incomplete, _asked(context, "workers"))


def complete_workflow(context: Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the ids of the newest workflows, with their names."""
    found = _asked(context, "workflows")
    pairs = (each.split(" ", 1) for each in found)
    return [(flow, name) for flow, name in pairs if flow.startswith(incomplete)]


def complete_cron(context: Context, incomplete: str) -> list[str]:
    """Offer the names of cron entries."""
    return _fitting(incomplete, _asked(context, "crons"))


def complete_state(incomplete: str) -> list[str]:
    """Offer the states of jobs."""
    return _fitting(incomplete, State)


def complete_sql(incomplete: str) -> list[str]:
    """Offer the names of looks."""
    from baton.store import looks  # noqa: PLC0415  # a tab is to be fast

    return _fitting(incomplete, looks.names("looks"))


def complete_filter(kind: type[Search]) -> Callable[[Context, str], list[str]]:
    """Return what offers the fields of a filter, and after one the values that there are."""
    asked = {**_EVERYWHERE, **_OFFERS.get(kind, {})}
    offers = {
        field: reader.known if isinstance(reader, OneOf) else asked[field]
        for field, reader in kind.fields.items()
        if isinstance(reader, OneOf) or field in asked
    }

    def complete(context: Context, incomplete: str) -> list[str]:
        return _filter(context, incomplete, kind.fields, offers)

    return complete


def _filter(
    context: Context,
    incomplete: str,
    fields: Iterable[str],
    offers: Offers,
) -> list[str]:
    def values(field: str, value: str) -> list[str]:
        offer = offers.get(field.lstrip("-!"))
        if offer is None:
            return []
        return _fitting(value, _asked(context, offer) if isinstance(offer, str) else offer)

    # bash takes a colon for the end of a word, and then wants only what comes after it
    before = [*(context.params.get("words") or context.params.get("which") or ())]
    if before[-1:] == [":"] and before[:-1]:
        return values(before[-2], incomplete)
    minus, word = ("!", incomplete[1:]) if incomplete[:1] == "!" else ("", incomplete)
    field, colon, value = word.partition(":")
    if not colon:
        return [f"{minus}{each}:" for each in fields if each.startswith(word)]
    return [f"{minus}{field}:{each}" for each in values(field, value)]


def _fitting(incomplete: str, found: Iterable[str]) -> list[str]:
    # a name with a blank would become two words
    return [
        each for each in found if each.startswith(incomplete) and not set(each) & set(" \t\n'\"")
    ]


def _asked(context: Context, what: str) -> list[str]:
    """Ask the database, and say nothing when it does not answer."""
    from baton.settings import load  # noqa: PLC0415
    from baton.store.completion import offered  # noqa: PLC0415

    with _quiet(), contextlib.suppress(BatonError):
        settings = load(dsn=context.params.get("dsn"), schema=context.params.get("schema"))
        return offered(
            settings.conninfo,
            settings.db_schema,
            what,
            most=MOST,
            seconds=SECONDS,
            pooled=settings.behind_pooler,
        )
    return []


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stderr(io.StringIO() if sys.stderr else None):
        yield
