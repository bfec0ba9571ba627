"""What is done to a run: faults of every kind, drawn from the seed, each of which ends by itself.

Faults of one lane follow each other; the lanes run beside each other. A fault that this machine
can't have says why.
"""

from tests.chaos.faults import links, processes, server
from tests.chaos.faults.kind import KINDS, LANES, Arena, Kind, run_lane

__all__ = [
    "KINDS",
    "LANES",
    "Arena",
    "Kind",
    "chosen",
    "links",
    "processes",
    "run_lane",
    "server",
]


def chosen(names: str) -> tuple[list[Kind], dict[str, str]]:
    """Return the kinds of faults that are asked for, and why which of them can't be had here.

    Args:
        names: of kinds, with commas; ``all``; or ``rootless``, those that need no root.
    """
    if names == "all":
        kinds = list(KINDS.values())
    elif names == "rootless":
        kinds = [kind for kind in KINDS.values() if not kind.needs_root]
    else:
        unknown = [name for name in names.split(",") if name and name not in KINDS]
        if unknown:
            raise ValueError(f"no fault is called {unknown[0]}; there are {', '.join(KINDS)}")
        kinds = [KINDS[name] for name in names.split(",") if name]
    missing = {kind.name: reason for kind in kinds if (reason := kind.missing()) is not None}
    return [kind for kind in kinds if kind.name not in missing], missing
