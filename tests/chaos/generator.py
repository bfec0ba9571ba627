"""What a run asks for: jobs and workflows of every kind, drawn from a seed.

The same seed draws the same things in the same order, however long each of them takes.
"""

from random import Random
from typing import Any
from uuid import UUID

from baton import NewJob, Unique, Workflow

PLANS = (
    (60, ("ok",)),
    (6, ("raise", "ok")),
    (3, ("raise", "raise", "raise", "raise")),
    (5, ("error", "ok")),
    (3, ("garbage", "ok")),
    (3, ("exit", "ok")),
    (6, ("snooze", "ok")),
    (2, ("discard",)),
    (2, ("cancel",)),
    (8, ("exact",)),
    (2, ("rolled_back", "exact")),
    (2, ("exact_then_raise",)),
)
IN_A_THREAD = ("ok", "raise", "error", "garbage", "exit", "snooze", "discard", "cancel")
SHAPES = ("diamond", "layers", "fan_in", "fan_out", "grafts", "signals", "nested", "chain")
GROUPS = 5  # of unique jobs
TENANTS = 3
LONGEST = 5.5  # seconds, longer than a lease


class Generator:
    """Draws what is inserted.

    Args:
        seed: of everything.
        deadly: whether some jobs end their processes.
    """

    def __init__(self, seed: int, *, deadly: bool = True) -> None:
        self.random = Random(f"{seed}:work")
        self._seed = seed
        self._deadly = deadly
        self._count = 0

    def token(self) -> str:
        """A name that no other job of the run has."""
        self._count += 1
        return f"{self._seed}-{self._count}"

    def jobs(self) -> list[NewJob]:
        """Some jobs that belong together only by being inserted at once."""
        return [self.job() for _ in range(self.random.choice((1, 1, 1, 2, 5, 20)))]

    def job(self) -> NewJob:
        """A job that stands alone."""
        draw = self.random
        match draw.choices(
            ("plain", "slow", "unique", "narrow", "rated", "tenants", "later", "deadly"),
            (60, 10, 10, 8, 6, 6, 8, 1),
        )[0]:
            case "slow":
                return self._work(queue="slow", seconds=draw.uniform(3.2, LONGEST))
            case "unique":
                group = f"{self._seed}-{draw.randrange(GROUPS)}"
                return self._work(
                    meta={"group": group},
                    seconds=draw.uniform(0, 0.5),
                    unique=Unique(fields=("meta",), keys=("group",)),
                )
            case "narrow":
                return self._work(queue="narrow", seconds=draw.uniform(0, 0.3))
            case "rated":
                return self._work(queue="rated")
            case "tenants":
                return self._work(queue="tenants", tenant=draw.randrange(TENANTS))
            case "later":
                return self._work(schedule_in=draw.uniform(0.1, 3))
            case "deadly" if self._deadly:
                # the process dies with what else it runs
                return self._work(plan=("die", "ok"))
        return self._work()

    def plain(self) -> NewJob:
        """A job without any condition."""
        return self._work()

    def _work(
        self,
        *,
        plan: tuple[str, ...] | None = None,
        seconds: float | None = None,
        tenant: int | None = None,
        **options: Any,
    ) -> NewJob:
        draw = self.random
        if plan is None:
            plan = draw.choices([p for _, p in PLANS], [w for w, _ in PLANS])[0]
        if seconds is None:
            seconds = draw.choice((0, 0, 0, 0.01, 0.05, 0.2, 0.5, 1.5))
        token = self.token()
        args: dict[str, Any] = {"token": token, "plan": list(plan), "seconds": round(seconds, 3)}
        worker = "chaos.work"
        if set(plan) <= {*IN_A_THREAD} and draw.random() < 0.15:
            worker = "chaos.thread"
        elif plan == ("ok",) and draw.random() < 0.03:
            worker = "chaos.child"
        meta = {"token": token, **options.pop("meta", {})}
        if tenant is not None:
            meta["tenant"] = f"t{tenant}"
        options.setdefault("priority", draw.choice((0, 0, 0, 1, 5)))
        return NewJob(worker=worker, args=args, max_attempts=4, meta=meta, **options)

    def workflow(self) -> Workflow:
        """A workflow of a shape of its own."""
        draw = self.random
        shape = draw.choice(SHAPES)
        flow = Workflow(
            f"{shape} {self.token()}",
            workflow_id=UUID(int=draw.getrandbits(128), version=4),
            ignore_cancelled=draw.random() < 0.15,
            ignore_discarded=draw.random() < 0.15,
            priority=draw.choice((None, None, 0, 3)),
            on_finished=self._reaction() if draw.random() < 0.3 else None,
        )
        getattr(self, f"_{shape}")(flow)
        if draw.random() < 0.2:
            flow.add("clean up", self._step(), deps=flow.step_names()[-1:], run_on="done")
        return flow

    def _reaction(self) -> NewJob:
        return NewJob(worker="chaos.finished", args={"token": self.token()}, max_attempts=20)

    def _step(self, **options: Any) -> NewJob:
        if self.random.random() < 0.03:
            options.setdefault("queue", "narrow")
        return self._work(**options)

    def _flags(self) -> dict[str, Any]:
        draw = self.random
        return {
            "ignore_cancelled": draw.choice((None, None, None, True)),
            "ignore_discarded": draw.choice((None, None, None, True)),
        }

    def _chain(self, flow: Workflow) -> None:
        names: list[str] = []
        for index in range(self.random.randint(3, 12)):
            flow.add(f"link {index}", self._step(), deps=names[-1:])
            names.append(f"link {index}")

    def _diamond(self, flow: Workflow) -> None:
        flow.add("top", self._step())
        sides = [f"side {index}" for index in range(self.random.randint(2, 6))]
        for side in sides:
            flow.add(side, self._step(), deps=["top"], **self._flags())
        flow.add("bottom", self._step(), deps=sides, **self._flags())
        flow.add("alarm", self._step(), deps=sides, run_on="failed")

    def _layers(self, flow: Workflow) -> None:
        draw = self.random
        above: list[str] = []
        for layer in range(draw.randint(3, 6)):
            here = [f"node {layer}.{index}" for index in range(draw.randint(2, 10))]
            for name in here:
                deps = draw.sample(above, min(len(above), draw.randint(1, 6)))
                flow.add(name, self._step(), deps=deps, **self._flags())
            above += here

    def _fan_in(self, flow: Workflow) -> None:
        draw = self.random
        count = draw.choice((20, 50, 100, 300))
        jobs = [self._step(plan=("ok",), seconds=0) for _ in range(count)]
        flow.fan_out("part", jobs)
        flow.add("sum", self._step(plan=("ok",)), deps=["part:*"])

    def _fan_out(self, flow: Workflow) -> None:
        flow.add("split", self._step())
        jobs = [self._step() for _ in range(self.random.choice((5, 20, 60)))]
        flow.fan_out("part", jobs, deps=["split"], **self._flags())
        flow.add("join", self._step(), deps=["part:*"], **self._flags())

    def _grafts(self, flow: Workflow) -> None:
        draw = self.random
        grafts = [self._grafting(("graft",)), self._grafting(("raise", "graft"))]
        for index, job in enumerate(grafts):
            flow.add(f"graft {index}", job)
        flow.add("goes on", self._grafting(("graft_on",)), deps=["graft 0"])
        flow.add("total", self._step(), deps=["graft 0", "graft 1", "goes on"], **self._flags())
        if draw.random() < 0.5:
            flow.add("after", self._step(), deps=["total"])

    def _grafting(self, plan: tuple[str, ...]) -> NewJob:
        token = self.token()
        args = {"token": token, "plan": list(plan), "count": self.random.choice((0, 1, 4, 15))}
        return NewJob(worker="chaos.work", args=args, max_attempts=4, meta={"token": token})

    def _signals(self, flow: Workflow) -> None:
        draw = self.random
        flow.add("ask", self._step())
        flow.wait_for(
            "answer",
            deps=["ask"],
            timeout=draw.uniform(1, 5),
            on_timeout=draw.choice(("completed", "discarded", "cancelled")),
        )
        flow.sleep("nap", draw.uniform(0.1, 1.5), deps=["ask"])
        flow.add("waits inside", self._grafting(("wait", "ok")), deps=["ask"])
        flow.add("go", self._step(), deps=["answer", "nap", "waits inside"], **self._flags())

    def _nested(self, flow: Workflow) -> None:
        inner = Workflow("inner", workflow_id=UUID(int=self.random.getrandbits(128), version=4))
        self._diamond(inner)
        flow.add("before", self._step())
        flow.add("inside", inner, deps=["before"], **self._flags())
        flow.add("behind", self._step(), deps=["inside"], **self._flags())
