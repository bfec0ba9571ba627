"""Rows that people edited in psql: every page is drawn all the same, or says what is not there."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.client import Client
from tests.fuzz.cases import cases
from tests.fuzz.test_rows import furnish, start_again
from tests.fuzz.vandal import FLOWS, edits, tables
from tests.support import connection, rows
from tests.web.pages import page

pytestmark = pytest.mark.anyio

LISTS = (
    *("", "workflows", "approvals", "jobs", "queues", "workers", "crons", "errors", "audit"),
    *("jobs?filter=state:retryable", "workflows?filter=state:failed", "jobs?filter=args.a:1"),
)
SINGLE = (
    "audit_log",
    *("budgets", "crons", "workflow_completions", "workflow_signals", "workflow_debug_logs"),
    *("workflow_step_stats", "workflow_templates", "leases", "queues", "queue_nodes"),
)


async def addresses(database: str) -> list[str]:
    """Those of all pages that there are."""
    jobs = await rows(database, "select id from baton.jobs order by id limit 12")
    flows = await rows(database, "select id from baton.workflows limit 6")
    found = [*(f"jobs/{each}" for (each,) in jobs), *(f"workflows/{each}" for (each,) in flows)]
    return [*LISTS, *found, *(f"workflows/{each}" for each in FLOWS), "jobs/99"]


@pytest.mark.timeout(3_600)  # each case draws some thirty pages
@cases(6, dear=10, shrink=False)
@given(data=st.data())
async def test_whatever_a_row_holds_every_page_is_drawn(database: str, data: st.DataObject) -> None:
    known = await tables(database)
    some = st.one_of(edits(known), *(edits(known, table) for table in SINGLE if table in known))
    drawn = data.draw(st.lists(some, min_size=1, max_size=25))
    await start_again(database, known)
    async with Client(database) as client, connection(database) as hand:
        await furnish(client)
        for edit in drawn:
            await edit.run(hand)
    async with page(database) as browser:
        for address in await addresses(database):
            answer = await browser.get(address)
            assert answer.status_code in {
                HTTPStatus.OK,
                HTTPStatus.SEE_OTHER,
                HTTPStatus.NOT_FOUND,
            }, f"{address}: {answer.text[:2000]}"
