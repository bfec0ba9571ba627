"""The portable form of a workflow: a JSON document, and its schema.

A document names workers; it holds no code, and nothing is imported because of it. Where a value of
``args``, ``context`` or ``meta`` is ``{"$param": "topic"}`` the parameter stands instead, and in
the texts ``name``, ``unique`` and ``tags`` it is written ``${topic}``.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from baton.errors import InvalidFlow
from baton.llm.budgets import OnExceeded
from baton.workflows.steps import OnTimeout, RunOn

ParameterType = Literal["any", "string", "integer", "number", "boolean", "array", "object"]

LARGEST = 20_000_000  # characters of a document


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ParameterDocument(_Part):
    """A parameter of a workflow; one without a default must be given."""

    type: ParameterType = "any"
    default: Any = None
    description: str | None = None

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return "default" not in self.model_fields_set


class OptionsDocument(_Part):
    """Options of a job over the defaults of its worker, as ``.with_options()`` takes them."""

    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    tags: list[str] | None = None
    meta: dict[str, Any] | None = None
    scheduled_at: AwareDatetime | None = None
    schedule_in: float | None = None
    timeout: float | None = None
    deadline: AwareDatetime | None = None
    weight: int | None = None


class JobDocument(_Part):
    """A job: the name of a worker and what it is called with."""

    worker: str
    args: dict[str, Any] = Field(default_factory=dict)
    options: OptionsDocument = OptionsDocument()


class WaitDocument(_Part):
    """A signal that a step waits for; by default the one of the step's name."""

    signal: str | None = None
    timeout: float | None = Field(default=None, description="in seconds")
    on_timeout: OnTimeout = "discarded"


class ApprovalDocument(_Part):
    """A question to people, who say yes or no."""

    question: str
    asks: str | None = Field(default=None, description="who is to answer")
    shows: list[str] | None = Field(default=None, description="of deps; by default all")
    timeout: float | None = Field(default=None, description="in seconds")
    on_timeout: OnTimeout = "discarded"
    on_rejected: OnTimeout = "cancelled"


class StepDocument(_Part):
    """A step: a worker's job, a wait for a signal or a person, a sleep, or a workflow."""

    name: str
    worker: str | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    options: OptionsDocument = OptionsDocument()
    wait_for: WaitDocument | None = None
    approval: ApprovalDocument | None = None
    sleep: float | None = Field(default=None, description="in seconds")
    workflow: "FlowDocument | None" = None
    deps: list[str] = Field(default_factory=list)
    ignore_cancelled: bool | None = None
    ignore_discarded: bool | None = None
    ignore_skipped: bool | None = None
    run_on: RunOn = "completed"
    when: str | None = Field(default=None, description="the name of a registered condition")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        kinds = {
            "worker": self.worker,
            "wait_for": self.wait_for,
            "approval": self.approval,
            "sleep": self.sleep,
            "workflow": self.workflow,
        }
        given = [kind for kind, value in kinds.items() if value is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(
                f"a step has one of worker, wait_for, approval, sleep and workflow, not {found}"
            )
        if self.worker is None and {"args", "options"} & self.model_fields_set:
            raise ValueError(f"args and options go with a worker, not with {given[0]}")
        return self


class BudgetDocument(_Part):
    """What the workflow may spend on language models."""

    cost: str | None = Field(default=None, description="in US dollars")
    tokens: int | None = Field(default=None, description="input and output together")
    on_exceeded: OnExceeded = "hold"


class FlowDocument(_Part):
    """A workflow as data."""

    baton: Literal[1] = Field(default=1, description="the version of this form")
    name: str | None = None
    parameters: dict[str, ParameterDocument] = Field(default_factory=dict)
    steps: list[StepDocument] = Field(min_length=1)
    ignore_cancelled: bool = False
    ignore_discarded: bool = False
    ignore_skipped: bool = False
    debug: bool = False
    unique: str | None = None
    deadline_in: float | None = Field(default=None, description="in seconds")
    priority: int | None = None
    tags: list[str] = Field(default_factory=list)
    context: dict[str, Any] = Field(default_factory=dict)
    output: str | None = None
    on_finished: JobDocument | None = None
    budget: BudgetDocument | None = None


def read(source: str | bytes | Mapping[str, Any]) -> FlowDocument:
    """Read a document.

    Args:
        source: JSON, or what it holds.

    Raises:
        InvalidFlow: it is not JSON, says something twice, or is not of this form; the error names
            each place.
    """
    try:
        if isinstance(source, str | bytes):
            if len(source) > LARGEST:
                raise InvalidFlow([f"it takes {len(source):,} characters, at most {LARGEST:,}"])
            source = json.loads(source, object_pairs_hook=_once)
        return FlowDocument.model_validate(source)
    except ValidationError as error:
        raise InvalidFlow(_problems(error)) from None
    except (ValueError, RecursionError) as error:
        raise InvalidFlow([f"it is not JSON: {error}"]) from None


def schema() -> dict[str, Any]:
    """Return the JSON schema of documents."""
    return FlowDocument.model_json_schema()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; Python would silently keep the last of two values of a name."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = sorted(name for name, count in counts.items() if count > 1)
        raise InvalidFlow([f"{name}: it stands twice in one object" for name in twice])
    return found


def _problems(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(map(str, detail['loc'])) or 'document'}: {detail['msg']}"
        for detail in error.errors(include_url=False, include_input=False)
    ]
