"""Which language models the steps of a workflow call, as `baton.llm.MultiModel` says."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from baton.errors import InvalidWorkflow
from baton.workflows.steps import ALL, NewStep

MODEL = "model"  # of the meta of a job: the model that it calls
MODELS = "models"  # of the meta of a job: the models whose answers it gets, by fan-out and key


@dataclass
class Models:
    """Models of steps, which may be added later.

    Attributes:
        chosen: by the name of a step, or by ``"<fan-out>:*"`` for all of its steps.
        asked: the models that the steps of a fan-out call, by key.
    """

    chosen: dict[str, str] = field(default_factory=dict)
    asked: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def noted(
        self, steps: Mapping[str, NewStep], fan_outs: Mapping[str, Collection[str]]
    ) -> dict[str, NewStep]:
        """Return steps with what is known here in the meta of their jobs.

        Raises:
            InvalidWorkflow: a model is chosen for a step that isn't there, or can't have one.
        """
        noted = dict(steps)
        for chosen, model in self.chosen.items():
            for name in self._named(chosen, steps, fan_outs):
                noted[name] = _with_meta(noted[name], MODEL, model)
        for fan_out, models in self.asked.items():
            names = {fan_out + ALL, *_names(fan_out, models)}
            for step in steps.values():
                if step.kind == "job" and not names.isdisjoint(step.deps):
                    known = noted[step.name].job.meta.get(MODELS)
                    others = known if isinstance(known, Mapping) else {}
                    collected = {**others, fan_out: dict(models)}
                    noted[step.name] = _with_meta(noted[step.name], MODELS, collected)
        return noted

    def _named(
        self, name: str, steps: Mapping[str, NewStep], fan_outs: Mapping[str, Collection[str]]
    ) -> Iterator[str]:
        fan_out = name.removesuffix(ALL)
        of_fan_out = fan_out != name
        found = fan_outs.get(fan_out) if of_fan_out else {name} & steps.keys()
        if found is None or not (found or of_fan_out):
            raise InvalidWorkflow(
                f"a model is chosen for step {name!r}, which is not a step of the workflow"
            )
        asked = {each for fan_out, keys in self.asked.items() for each in _names(fan_out, keys)}
        for step in found:
            if step in asked:
                raise InvalidWorkflow(
                    f"the model of step {step!r} is that of its fan-out; no other can be chosen"
                )
            if steps[step].kind != "job":
                raise InvalidWorkflow(
                    f"a model is chosen for step {step!r}, which is a {steps[step].kind} and "
                    f"calls none"
                )
            yield step


def _names(fan_out: str, keys: Iterable[str]) -> list[str]:
    return [f"{fan_out}:{key}" for key in keys]


def _with_meta(step: NewStep, key: str, value: Any) -> NewStep:
    return replace(step, job=replace(step.job, meta={**step.job.meta, key: value}))
