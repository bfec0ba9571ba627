"""What is done to several workflows by their ids: to each that can have it."""

import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import anyio

from baton.cli.acting import acting
from baton.cli.job_ids import Outcome, to_each
from baton.cli.output import Form, confirm, emit
from baton.cli.workflow_look import checked
from baton.cli.workflow_many import of_workflows
from baton.client import Client
from baton.errors import BatonError, NotFound
from baton.settings import Settings

_LIKE_ID = re.compile(r"[0-9a-f-]{1,36}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Each:
    """What is done to each of some workflows.

    Attributes:
        verb: what it is called, also in the audit log.
        participle: that of the verb.
        details: what else the audit log has.
        act: does it to one, and returns to how many steps; ``dry``, it only counts them.
    """

    verb: str
    participle: str
    details: Mapping[str, Any] = field(default_factory=dict)
    act: Callable[[Client, UUID, bool], Awaitable[int]]


def ids(words: Sequence[str]) -> list[str]:
    """Return the ids that the words are; none when they are a filter.

    Raises:
        ConfigurationError: one is too short.
    """
    given = [each for word in words for each in word.split()]
    if not all(_LIKE_ID.fullmatch(each) for each in given):
        return []
    return [checked(each) for each in dict.fromkeys(given)]


def each(
    settings: Settings, deed: Each, given: Sequence[str], dry_run: bool, yes: bool, output: Form
) -> None:
    """Do something to each of some workflows; on a terminal, what it comes to is asked first.

    Raises:
        typer.Exit: it is not meant, or could not be done to some of them.
    """

    async def perform(dry: bool) -> tuple[Outcome, int]:
        async with Client(settings=settings) as client:
            meant = await _meant(client, given)
            if dry or not any(isinstance(found, UUID) for found in meant.values()):
                return await _performed(client, deed, meant, dry)
            subject = " ".join(map(str, meant))
            async with acting(client, deed.verb, "workflows", subject, **deed.details) as record:
                outcome, steps = await _performed(client, deed, meant, dry)
                record.message = outcome.told(told(outcome, steps))
                return outcome, steps

    def told(outcome: Outcome, steps: int) -> str:
        return f"{deed.participle} {of_workflows(steps, outcome.done)}"

    if not dry_run and not yes and sys.stdin.isatty():
        planned, steps = anyio.run(perform, True)
        if planned.done:
            question = f"{deed.verb} {of_workflows(steps, planned.done)}?"
            confirm(question, otherwise="nobody can be asked")
    outcome, steps = anyio.run(perform, dry_run)
    if output.is_data:
        facts = {"action": deed.verb, "workflows": outcome.done, "steps": steps}
        emit(output, {**facts, "dry_run": dry_run, **outcome.as_json()})
    elif dry_run:
        print(f"would {deed.verb} {of_workflows(steps, outcome.done)}")
    else:
        print(told(outcome, steps))
    outcome.end()


async def _meant(client: Client, given: Sequence[str]) -> dict[str, UUID | BatonError]:
    """Return the workflows by their whole ids, each once; and why others can't be found."""
    meant: dict[str, UUID | BatonError] = {}
    for word in given:
        try:
            found = await client.find_workflow(word)
        except NotFound as error:
            meant[word] = error
        else:
            meant[str(found)] = found
    return meant


async def _performed(
    client: Client, deed: Each, meant: Mapping[str, UUID | BatonError], dry: bool
) -> tuple[Outcome, int]:
    steps = 0

    async def act(key: str) -> None:
        nonlocal steps
        found = meant[key]
        if isinstance(found, BatonError):
            raise found
        steps += await deed.act(client, found, dry)

    return await to_each(meant, act), steps
