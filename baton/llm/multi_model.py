"""Steps of one workflow that call different models, and one step over several models."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from baton.documents import check_text
from baton.errors import InvalidJob, InvalidWorkflow, UnknownFanOut
from baton.jobs import Job, NewJob
from baton.llm.slugs import slugs
from baton.workers import WorkerName, current_registry, resolve
from baton.workflows import StepBuilder
from baton.workflows.models import MODEL, MODELS

B = TypeVar("B", bound=StepBuilder)


class MultiModel:
    """Says which models steps call, in the workflow and not in their code.

    The model of a step is ``meta["model"]`` of its job, which ``with_options(meta=…)`` can set as
    well. All of it works on a `baton.Graft` like on a `baton.Workflow`.
    """

    @staticmethod
    def configure(workflow: B, models: Mapping[str, str]) -> B:
        """Choose the models of steps; they may be added before or after this.

        Args:
            workflow: whose steps.
            models: by the name of the step; ``"draft:*"`` stands for all steps of the fan-out
                ``draft``. It wins over what the meta of a job says, and over an earlier call.

        Returns:
            The workflow. When it is checked, a step that isn't there is an `InvalidWorkflow`.

        Raises:
            InvalidWorkflow: these are not names of steps and models.
        """
        if not isinstance(models, Mapping):
            raise InvalidWorkflow(f"models must be a mapping of steps to models, not {models!r}")
        chosen = {
            _text("the name of a step", step): _text(f"the model of step {step!r}", model)
            for step, model in models.items()
        }
        workflow.models.chosen.update(chosen)
        return workflow

    @staticmethod
    def model_for(job: Job, default: str) -> str:
        """Return the model that a job is to call.

        Args:
            job: the job.
            default: what it is when nobody has chosen one.

        Raises:
            InvalidJob: something else stands in ``meta["model"]``.
        """
        found = job.meta.get(MODEL)
        if found is None:
            return default
        if not isinstance(found, str) or not found.strip():
            raise InvalidJob(
                f'meta["model"] of job {job.id} must be the name of a model, not {found!r}'
            )
        return found

    @staticmethod
    def fan_out(
        workflow: B,
        base: str,
        worker: WorkerName | NewJob,
        models: Iterable[str],
        *,
        args: Mapping[str, Any] | None = None,
        deps: Iterable[str] = (),
        synthesize_with: WorkerName | NewJob | None = None,
        synthesize_model: str | None = None,
        ignore_cancelled: bool | None = None,
        ignore_discarded: bool | None = None,
    ) -> B:
        """Add a step for each model that asks it the same, and one that makes one answer of all.

        The steps are ``<base>:<model>``, the model written in lowercase and without odd characters.
        Whatever depends on ``"<base>:*"`` reads what they returned with `results`.

        Args:
            workflow: what they are added to.
            base: the name of the fan-out, unique in the workflow.
            worker: who asks: a worker, or a job of one, with options of its own. Its code learns
                from `model_for` which model it asks.
            models: their names, each once.
            args: the arguments of the worker.
            deps: what these steps wait for.
            synthesize_with: the worker, or a job of one, of the step ``<base>_synthesis``, which
                waits for all of them.
            synthesize_model: the model that this one calls.
            ignore_cancelled, ignore_discarded: whether the synthesis goes on without the models
                whose steps were cancelled or discarded; by default as the workflow has it.

        Raises:
            InvalidWorkflow: there are no models, one is no name or is there twice, or options don't
                go together.
            DuplicateStep: there is a step of such a name.
            InvalidWorker, UnknownWorker: a worker is none.
            InvalidArguments: they don't fit its signature.
        """
        named = slugs(_checked(base, models))
        asking = _job(worker, args)
        synthesis = None
        if synthesize_with is not None:
            synthesis = _with_model(_job(synthesize_with, None), synthesize_model)
        elif synthesize_model is not None:
            raise InvalidWorkflow(
                f"fan-out {base!r} has a synthesize_model, but nothing to synthesize_with"
            )
        workflow.fan_out(
            base, {short: _with_model(asking, model) for short, model in named.items()}, deps=deps
        )
        workflow.models.asked[base] = named
        if synthesis is not None:
            workflow.add(
                f"{base}_synthesis",
                synthesis,
                deps=[f"{base}:*"],
                ignore_cancelled=ignore_cancelled,
                ignore_discarded=ignore_discarded,
            )
        return workflow

    @staticmethod
    def results(job: Job, base: str, *, as_: Any = None) -> dict[str, Any]:
        """Return what the steps of a fan-out over models returned, by model and in their order.

        Of one that was cancelled or discarded, which the step ignores, it is ``None``.

        Args:
            job: of a step that waits for the fan-out.
            base: the name of the fan-out.
            as_: what to make of each, as ``job.results`` has it.

        Raises:
            UnknownFanOut: it waits for no such one.
            ResultMismatch, UnknownResultStore, NotAStep: as ``job.results`` does.
        """
        found = job.results(base, as_=as_)
        known = job.meta.get(MODELS)
        named = known.get(base) if isinstance(known, Mapping) else None
        if not isinstance(named, Mapping):
            raise UnknownFanOut(base, known if isinstance(known, Mapping) else ())
        return {model: found[short] for short, model in named.items() if short in found}


def _checked(base: str, models: Iterable[str]) -> list[str]:
    if isinstance(models, str) or not isinstance(models, Iterable):
        raise InvalidWorkflow(f"models of fan-out {base!r} must be a list of names, not {models!r}")
    given = [_text(f"a model of fan-out {base!r}", model) for model in models]
    if not given:
        raise InvalidWorkflow(f"fan-out {base!r} has no models")
    if twice := [model for model in dict.fromkeys(given) if given.count(model) > 1]:
        raise InvalidWorkflow(
            f"fan-out {base!r} has the model {twice[0]!r} twice; its results are by model"
        )
    return given


def _job(worker: WorkerName | NewJob, args: Mapping[str, Any] | None) -> NewJob:
    if isinstance(worker, NewJob):
        if args is not None:
            raise InvalidWorkflow(
                f"the job of {worker.worker!r} has its arguments already; args= is for a worker"
            )
        return worker
    definition, options = resolve(worker, current_registry())
    if args is not None and not isinstance(args, Mapping):
        raise InvalidWorkflow(f"args of {definition.name!r} must be a mapping, not {args!r}")
    return definition.new(options, (), args or {})


def _with_model(job: NewJob, model: str | None) -> NewJob:
    if model is None:
        return job
    return replace(job, meta={**job.meta, MODEL: _text("synthesize_model", model)})


def _text(what: str, text: object) -> str:
    try:
        return check_text(text, what)  # type: ignore[arg-type]
    except ValueError as error:
        raise InvalidWorkflow(str(error)) from None
