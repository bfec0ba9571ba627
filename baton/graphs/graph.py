"""The graph of a workflow, in the languages that draw it."""

from dataclasses import dataclass

from baton.graphs import dot, mermaid, svg
from baton.graphs.folding import fitted
from baton.graphs.sheets import Sheet


@dataclass(frozen=True, slots=True)
class WorkflowGraph:
    """The steps of a workflow and what they wait for, to be drawn.

    `Workflow.graph` returns the one of a workflow that is not inserted yet, and
    `WorkflowTree.graph` the one of a workflow as it stands. States are told by words and icons, not
    by colours alone. With more than 300 steps, or 500 dependencies, those that are alike become one
    box; those that failed or run stay apart, a few of each kind. ``whole=True`` draws everything.
    """

    sheet: Sheet

    def to_mermaid(self, *, whole: bool = False) -> str:
        """Return the source of a Mermaid flowchart."""
        return mermaid.text(self._fitted(whole=whole))

    def to_dot(self, *, whole: bool = False) -> str:
        """Return the source of a graph for Graphviz."""
        return dot.text(self._fitted(whole=whole))

    def to_svg(self, *, whole: bool = False) -> str:
        """Return an SVG picture."""
        return svg.text(self._fitted(whole=whole))

    def _fitted(self, *, whole: bool) -> Sheet:
        return self.sheet if whole else fitted(self.sheet)
