"""What must hold after a run, whatever was done to it: a function for each sentence.

A checker takes the `History` of a run and returns what breaks its sentence, a line each; none is a
pass. `tests/chaos/test_checkers.py` hands each of them a history that it must object to.
"""

from tests.chaos.checkers import ends, jobs, limits, stops, workflows
from tests.chaos.checkers.checker import CHECKERS, violations

__all__ = ["CHECKERS", "ends", "jobs", "limits", "stops", "violations", "workflows"]
