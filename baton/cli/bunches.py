"""What stands on the lines of a drawn tree: steps one by one, or many that are alike as one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from rich.text import Text

from baton.cli import tree as words
from baton.graphs.likeness import Trait, common_name, groups
from baton.graphs.order import Edge, ordered
from baton.states import State
from baton.status import Node
from baton.trees import WorkflowTree

TOGETHER = 10
"""More steps than this that are alike become one line."""
SHOWN_APART = 5
"""As many of those have a line of their own all the same: what failed, then what runs."""

_URGENCY = (
    (State.EXECUTING, State.DISCARDED, State.RETRYABLE),
    (State.CANCELLED, State.AVAILABLE, State.SCHEDULED),
    (State.SUSPENDED,),
    (State.COMPLETED,),
)
URGENCIES = range(len(_URGENCY))
_APART = (State.DISCARDED, State.RETRYABLE, State.EXECUTING)
_NOTABLE = (*_APART, *(state for states in _URGENCY for state in states if state not in _APART))


@dataclass(slots=True, eq=False)
class Entry:
    """One line of a tree, or two when it has an error.

    Attributes:
        name: what those that wait for it call it.
        label: what it says; what it waits for is added where it is drawn.
        urgency: how soon it is shown when there is not room for all, 0 first.
        error: its second line.
        steps: how many steps are shown with it.
        after: what it waits for, by name; ``None`` for what is not there any more.
        above: the entry that it is a part of.
        inner: the workflow that it is.
    """

    name: str
    label: Text
    urgency: int
    error: str | None = None
    steps: int = 1
    after: "list[tuple[str, Entry | None]]" = field(default_factory=list)
    above: "Entry | None" = None
    inner: WorkflowTree | None = None

    @property
    def height(self) -> int:
        """How many lines it takes; the title of the workflow inside it is one."""
        return 1 + (self.error is not None) + (self.inner is not None)


def entries(tree: WorkflowTree, adders: Mapping[int, str], *, together: bool) -> list[Entry]:
    """Return the lines of one workflow, each after those that it waits for.

    Args:
        tree: the workflow; those inside it are not looked into.
        adders: the names of the steps that added others, by their jobs.
        together: whether many steps that are alike become one line.
    """
    nodes = tree.status.nodes
    numbers = {node.step_name: number for number, node in enumerate(nodes)}
    edges = [(numbers[parent], numbers[child]) for parent, child in tree.edges]
    units = _units(nodes, edges) if together else [[number] for number in range(len(nodes))]
    found: list[Entry] = []
    places: dict[int, Entry] = {}
    for members in _in_order(units, edges):
        if len(members) == 1:
            first = _single(nodes[members[0]], tree, adders)
            found.append(first)
        else:
            first = _bunch([nodes[number] for number in members])
            found.append(first)
            found += _apart([nodes[number] for number in members], first, tree, adders)
        places |= dict.fromkeys(members, first)
    _connect(tree, edges, places)
    return found


def _units(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[list[int]]:
    """Return the steps that share a line, or have one of their own, by their numbers."""
    traits = [
        Trait(node.step_name, (node.kind, node.run_on, node.signal, node.condition), node.worker)
        for node in nodes
    ]
    alike: dict[int, list[int]] = {}
    for number, group in enumerate(groups(traits, edges)):
        alike.setdefault(group, []).append(number)
    units: list[list[int]] = []
    for members in alike.values():
        units += [members] if len(members) > TOGETHER else [[number] for number in members]
    return units


def _in_order(units: list[list[int]], edges: Sequence[Edge]) -> Iterator[list[int]]:
    units.sort()
    unit_of = {number: unit for unit, members in enumerate(units) for number in members}
    between = dict.fromkeys((unit_of[parent], unit_of[child]) for parent, child in edges)
    for unit in ordered(len(units), list(between)):
        yield units[unit]


def _single(node: Node, tree: WorkflowTree, adders: Mapping[int, str]) -> Entry:
    look = words.look(node)
    label = Text(no_wrap=True, overflow="ellipsis")
    label.append(f"{look.icon} ", look.style)
    label.append(words.cut(words.inert(node.step_name), words.NAME_LIMIT))
    label.append(f"  {node.word}", look.style)
    label.append("".join(f"  {fact}" for fact in words.facts(node, adders)), "dim")
    return Entry(
        node.step_name,
        label,
        _urgency(node),
        error=words.error_line(node),
        inner=tree.subworkflows.get(node.step_name),
    )


def _bunch(nodes: Sequence[Node]) -> Entry:
    worst = min(nodes, key=lambda node: _NOTABLE.index(node.state))
    look = words.look(worst)
    name = common_name(node.step_name for node in nodes)
    label = Text(no_wrap=True, overflow="ellipsis")
    label.append(f"{look.icon} ", look.style)
    label.append(words.cut(words.inert(name), words.NAME_LIMIT))
    label.append(f"  {words.tally_of(nodes)}", look.style)
    return Entry(name, label, _urgency(worst), steps=len(nodes))


def _apart(
    nodes: Sequence[Node], bunch: Entry, tree: WorkflowTree, adders: Mapping[int, str]
) -> Iterator[Entry]:
    """Yield lines for the members of a bunch that a person looks for first."""
    urgent = (node for state in _APART for node in nodes if node.state is state)
    for node in islice(urgent, SHOWN_APART):
        entry = _single(node, tree, adders)
        entry.above = bunch
        bunch.steps -= 1
        yield entry


def _connect(tree: WorkflowTree, edges: Sequence[Edge], places: Mapping[int, Entry]) -> None:
    """Tell each entry what it waits for: what was declared, then what was added to it."""
    nodes = tree.status.nodes
    names = {node.step_name for node in nodes}
    before: list[dict[str, int]] = [{} for _ in nodes]
    for parent, child in edges:
        before[child][nodes[parent].step_name] = parent
    seen: set[tuple[int, int]] = set()
    for number, entry in places.items():
        for name in dict.fromkeys((*nodes[number].deps, *before[number])):
            if name in before[number]:
                other = places[before[number][name]]
                if (id(entry), id(other)) not in seen:
                    seen.add((id(entry), id(other)))
                    entry.after.append((other.name, other))
            elif name not in names and entry.name == nodes[number].step_name:
                entry.after.append((name, None))


def _urgency(node: Node) -> int:
    return next(number for number, states in enumerate(_URGENCY) if node.state in states)
