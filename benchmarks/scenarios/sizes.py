"""How much of everything."""

from dataclasses import dataclass, replace

__all__ = ["FULL", "QUICK", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """Numbers of jobs and the like; those of time are seconds."""

    bulk: int = 50_000
    singles: int = 2_000
    coalesced: int = 20_000
    programs: int = 16
    drain: int = 50_000
    idle_jobs: int = 300
    idle_gap: float = 0.02
    loaded_jobs: int = 10_000
    loaded_gap: float = 0.002
    history: int = 1_000_000
    diamonds: int = 1_000
    widths: tuple[int, ...] = (2_000, 10_000)
    chain: int = 300
    held: int = 200_000
    crowd: int = 50
    calm: float = 3.0
    processes: int = 10
    queues: int = 20
    idle_time: float = 15.0
    memory: int = 1_000_000
    starts: int = 7
    killed: int = 20_000
    patience: float = 60.0
    layers: int = 100_000
    layer: int = 1_000
    scheduled: int = 100

    def shared(self, share: float) -> "Sizes":
        """The sizes for a subject that gets only a share, because it is slow."""
        return replace(
            self,
            bulk=int(self.bulk * share),
            drain=int(self.drain * share),
            held=int(self.held * share),
        )


FULL = Sizes()
QUICK = Sizes(
    bulk=2_000,
    singles=200,
    coalesced=1_000,
    programs=3,
    drain=2_000,
    idle_jobs=40,
    loaded_jobs=250,
    history=5_000,
    diamonds=40,
    widths=(100,),
    chain=20,
    held=2_000,
    crowd=3,
    calm=0.5,
    processes=2,
    queues=5,
    idle_time=1.5,
    memory=4_000,
    starts=3,
    killed=2_000,
    patience=15.0,
    layers=1_000,
    layer=100,
    scheduled=10,
)
