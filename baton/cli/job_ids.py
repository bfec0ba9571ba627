"""What is done to jobs or workflows by ids: to each that can have it, and why not to others."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import typer

from baton.cli.frame import exit_code
from baton.cli.masking import masked
from baton.client import Client
from baton.errors import (
    BatonError,
    ChangeRefused,
    JobStateRefused,
    NotFound,
    NothingToCancel,
    NothingToRetry,
)
from baton.filters import Criteria

Id = TypeVar("Id", int, str)
TOLD = 3  # of those that were refused, in the audit log
REFUSALS = (NotFound, ChangeRefused, JobStateRefused, NothingToCancel, NothingToRetry)


@dataclass(frozen=True, slots=True)
class Outcome:
    """To how many jobs or workflows something was done, and which it could not be done to.

    Attributes:
        done: to how many.
        refused: why, by the ids of the others.
    """

    done: int
    refused: Mapping[Any, BatonError]

    def told(self, words: str) -> str:
        """Return what the audit log says."""
        said = [str(error) for error in self.refused.values()]
        more = [f"and {len(said) - TOLD} more"] if len(said) > TOLD else []
        return "; ".join([words, *said[:TOLD], *more])

    def as_json(self) -> dict[str, Any]:
        """Return what a program is told of those that were refused; nothing when there are none."""
        if not self.refused:
            return {}
        return {
            "refused": [{"id": each, "error": str(why)} for each, why in self.refused.items()],
        }

    def end(self) -> None:
        """End the command if anything was refused, with the highest of the exit codes.

        Raises:
            typer.Exit: something was.
        """
        for error in self.refused.values():
            print(f"error: {masked(' '.join(str(error).split()))}", file=sys.stderr)
        if self.refused:
            raise typer.Exit(max(map(exit_code, self.refused.values())))


def named(criteria: Criteria) -> tuple[int, ...]:
    """Return the ids that somebody wrote down, and nothing else that would choose among them."""
    return (criteria.ids or ()) if criteria.is_list and criteria.states is None else ()


async def to_each(ids: Iterable[Id], act: Callable[[Id], Awaitable[None]]) -> Outcome:
    """Do something one by one; those that are gone or can't have it are told apart.

    Args:
        ids: to which jobs or workflows.
        act: does it to one; it raises one of `REFUSALS`.

    Raises:
        BatonError: the one that was meant could not have it.
    """
    done, refused = 0, dict[Id, BatonError]()
    for each in ids:
        try:
            await act(each)
            done += 1
        except REFUSALS as error:
            refused[each] = error
    if not done and len(refused) == 1:
        raise next(iter(refused.values()))
    return Outcome(done, refused)


async def refused(client: Client, job_id: int, participle: str) -> BatonError:
    """Return why nothing could be done to a job.

    Raises:
        NotFound: it is not there.
    """
    job = await client.get_job(job_id)
    return JobStateRefused(job_id, job.state, participle)
