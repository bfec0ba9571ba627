"""Why something waits or ended as it did: the facts, what is judged of them, and how it is said.

`facts` is what was read, `answers` what is returned, and the other modules are pure functions from
one to the other.
"""

from baton.why.answers import Fact, Reason, Why
from baton.why.facts import Bunch, JobFacts, QueueFacts, WorkflowFacts
from baton.why.jobs import explain_job
from baton.why.workflows import Held, explain_workflow

__all__ = [
    "Bunch",
    "Fact",
    "Held",
    "JobFacts",
    "QueueFacts",
    "Reason",
    "Why",
    "WorkflowFacts",
    "explain_job",
    "explain_workflow",
]
