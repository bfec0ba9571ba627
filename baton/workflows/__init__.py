"""Workflows: named steps, what each waits for, and whether that makes a graph that can end."""

from baton.workflows.builder import StepBuilder
from baton.workflows.grafts import Graft
from baton.workflows.steps import Kind, NewStep, OnTimeout, RunOn
from baton.workflows.workflow import Workflow

__all__ = ["Graft", "Kind", "NewStep", "OnTimeout", "RunOn", "StepBuilder", "Workflow"]
