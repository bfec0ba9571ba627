"""A workflow drawn as a tree: each step under what it waits for, workflows inside their steps."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text
from rich.tree import Tree

from baton.cli import tree as words
from baton.cli.bunches import URGENCIES, Entry, entries
from baton.status import WorkflowStatus
from baton.trees import WorkflowTree

DEEPEST = 8
"""Levels of indentation; what is deeper stands beside its dependency and names it."""


@dataclass(slots=True)
class _Place:
    """Where an entry stands: its branch, the one that its dependents go to, how deep it is."""

    own: Tree
    branch: Tree
    depth: int


@dataclass(slots=True)
class _Level:
    """The lines of one workflow, and those of the workflows inside it, by the step they are."""

    tree: WorkflowTree
    entries: Sequence[Entry]
    inside: "dict[int, _Level]"

    def everything(self, holder: Entry | None = None) -> Iterator[tuple[Entry, Entry | None]]:
        """Yield all lines, each with the one that it is a part of."""
        for entry in self.entries:
            yield entry, entry.above or holder
            if level := self.inside.get(id(entry)):
                yield from level.everything(entry)


def render(tree: WorkflowTree, *, limit: int | None = None, together: bool = False) -> Tree:
    """Return the workflow as a tree for a rich console, one that can print more than ASCII.

    Each step stands once, under the deepest of its dependencies, and names the others. Names and
    errors are shown as `inert` text: neither read as markup nor obeyed by a terminal.

    Args:
        tree: the workflow.
        limit: at most so many lines of steps; what runs or failed is shown before what is done.
        together: whether many steps that are alike become one line.
    """
    level = _level(tree, tree.adders(), together=together)
    outside = dict(level.everything())
    kept = _kept(outside, limit)
    drawn = Tree(_title(tree.status), guide_style="dim")
    _draw(level, drawn, kept)
    if hidden := sum(entry.steps for entry in outside if entry not in kept):
        drawn.add(Text(f"and {hidden:,} more steps", style="dim"))
    return drawn


def _level(tree: WorkflowTree, adders: Mapping[int, str], *, together: bool) -> _Level:
    found = entries(tree, adders, together=together)
    inside = {
        id(entry): _level(entry.inner, adders, together=together)
        for entry in found
        if entry.inner is not None
    }
    return _Level(tree, found, inside)


def _draw(level: _Level, root: Tree, kept: Collection[Entry]) -> None:
    places: dict[Entry, _Place] = {}
    for entry in level.entries:
        if entry not in kept:
            continue
        parent, place = _parent(entry, places, root)
        if entry.above is not None:
            branch = places[entry.above].own.add(_label(entry, ""))
        else:
            indented = place.depth < DEEPEST
            under = parent if indented else None
            others = [name for name, other in entry.after if other is None or other is not under]
            after = words.after(others, also=under is not None)
            branch = place.branch.add(_label(entry, after))
            sideways = place.depth + 1 >= DEEPEST
            places[entry] = _Place(branch, place.branch if sideways else branch, place.depth + 1)
        if inner := level.inside.get(id(entry)):
            _draw(inner, branch.add(_title(inner.tree.status)), kept)


def _parent(
    entry: Entry, places: Mapping[Entry, _Place], root: Tree
) -> tuple[Entry | None, _Place]:
    """Return the deepest dependency that is placed; of equals, the last one named."""
    placed = [other for _, other in entry.after if other is not None and other in places]
    parent = max(reversed(placed), key=lambda other: places[other].depth, default=None)
    return parent, _Place(root, root, 0) if parent is None else places[parent]


def _kept(outside: Mapping[Entry, Entry | None], limit: int | None) -> Collection[Entry]:
    """Choose the entries for so many lines, the urgent ones first, each with what it is inside."""
    if limit is None or sum(entry.height for entry in outside) <= limit:
        return outside
    kept: set[Entry] = set()
    left = limit
    for urgency in URGENCIES:
        for entry in outside:
            if entry.urgency != urgency:
                continue
            chain: list[Entry] = []
            each: Entry | None = entry
            while each is not None and each not in kept:
                chain.append(each)
                each = outside[each]
            height = sum(one.height for one in chain)
            if height <= left:
                kept.update(chain)
                left -= height
    return kept


def _title(status: WorkflowStatus) -> Text:
    title = Text(no_wrap=True, overflow="ellipsis")
    title.append(words.name_of(status), "bold")
    title.append(f"  {words.inert(status.state)}", words.STYLES.get(status.state, ""))
    title.append(f"  {status.id}", "dim")
    return title


def _label(entry: Entry, after: str) -> Text:
    label = entry.label.copy()
    if after:
        label.append(f"  ({after})", "dim")
    if entry.error:
        label.append(f"\n{entry.error}", "red")
    return label
