"""Templates: workflows as data, stored by name and version."""

import anyio
import pytest

from baton import Client, Job, Registry, Workflow
from baton.errors import InvalidFlow, NotFound
from tests.support import rows

pytestmark = pytest.mark.anyio

registry = Registry()


@registry.worker(name="greet")
async def greet(job: Job, who: str) -> None: ...


def flow(step: str = "greet") -> dict[str, object]:
    return {
        "name": "greet ${who}",
        "parameters": {"who": {"type": "string"}},
        "steps": [{"name": step, "worker": "greet", "args": {"who": {"$param": "who"}}}],
    }


async def test_a_workflow_bears_the_version_of_its_template(database: str) -> None:
    async with Client(database, registry=registry) as client:
        assert await client.templates.put("greeting", flow()) == 1
        assert await client.templates.put("greeting", flow("again")) == 2
        newest = await client.templates.workflow("greeting", {"who": "ann"})
        first = await client.templates.workflow("greeting", {"who": "bob"}, version=1)
        for each in (newest, first):
            await client.insert_workflow(each)
    query = """
      select flow.name, flow.template, flow.template_version, step.step_name
      from baton.workflows as flow join baton.workflow_steps as step on step.workflow_id = flow.id
      order by 1
    """
    assert await rows(database, query) == [
        ("greet ann", "greeting", 2, "again"),
        ("greet bob", "greeting", 1, "greet"),
    ]


async def test_what_is_stored_already_gets_no_new_version(database: str) -> None:
    async with Client(database) as client:
        assert await client.templates.put("greeting", flow()) == 1
        assert await client.templates.put("greeting", flow()) == 1
        [listed] = await client.templates.list()
    assert (listed.name, listed.version, list(listed.flow.parameters)) == ("greeting", 1, ["who"])


async def test_a_workflow_can_be_stored_as_a_template(database: str) -> None:
    async with Client(database, registry=registry) as client:
        await client.templates.put("built", Workflow("w").add("a", greet.new(who="ann")))
        again = await client.templates.workflow("built")
    assert again.jobs()[0].args == {"who": "ann"}


async def test_versions_stored_at_once_get_numbers_of_their_own(database: str) -> None:
    versions: list[int] = []

    async def store(client: Client, number: int) -> None:
        versions.append(await client.templates.put("greeting", flow(f"step{number}")))

    async with Client(database) as client, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(store, client, number)
    assert sorted(versions) == list(range(1, 21))


@pytest.mark.parametrize("version", [None, 0, 3, 2**40])
async def test_a_template_that_is_not_there_is_not_found(
    database: str, version: int | None
) -> None:
    async with Client(database) as client:
        await client.templates.put("other", flow())
        with pytest.raises(NotFound, match="template greeting"):
            await client.templates.get("greeting", version)


async def test_a_template_that_can_t_be_read_is_not_stored(database: str) -> None:
    async with Client(database) as client:
        for name, source in (
            (" ", flow()),
            ("a", {"steps": []}),
            ("a", {**flow(), "parameters": {}}),
        ):
            with pytest.raises(InvalidFlow):
                await client.templates.put(name, source)
        assert await client.templates.list() == []
