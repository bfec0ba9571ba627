"""How a filter stands on a command line: its words are arguments, and some begin with a minus."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from baton.cli.completion import complete_filter
from baton.search import (
    ApprovalSearch,
    AuditSearch,
    CronSearch,
    ErrorSearch,
    JobSearch,
    ProcessSearch,
    QueueSearch,
    Search,
    WorkflowSearch,
)
from baton.search.lists import LISTS

_FIELDS = {field for kind in LISTS.values() for field in kind.fields}
_NEGATED = re.compile(rf"-(?:{'|'.join(_FIELDS)})[.:]")


def _words(kind: type[Search], told: str) -> Any:
    return typer.Argument(
        metavar="[FILTER]...", autocompletion=complete_filter(kind), help=f"{told}."
    )


JobFilter = Annotated[
    list[str] | None,
    _words(
        JobSearch,
        "Which jobs: ids, or words like state:retryable queue:mail -worker:Send* "
        "args.user_id:42 since:1h",
    ),
]
WorkflowFilter = Annotated[
    list[str] | None,
    _words(
        WorkflowSearch,
        "Which workflows: words like state:failed name:research* -tag:weekly since:1d",
    ),
]
QueueFilter = Annotated[
    list[str] | None,
    _words(QueueSearch, "Which queues: words like state:paused available:1000.. -queue:mail"),
]
ProcessFilter = Annotated[
    list[str] | None,
    _words(ProcessSearch, "Which processes: words like state:lost queue:mail node:night*"),
]
CronFilter = Annotated[
    list[str] | None,
    _words(CronSearch, "Which entries: words like state:paused worker:reports.* source:code"),
]
ApprovalFilter = Annotated[
    list[str] | None,
    _words(ApprovalSearch, "Which questions: words like asks:ada workflow:release* until:1d"),
]
ErrorFilter = Annotated[
    list[str] | None,
    _words(ErrorSearch, "Which errors: words like queue:mail kind:TimeoutError jobs:5.. since:1h"),
]
AuditFilter = Annotated[
    list[str] | None,
    _words(AuditSearch, "Which records: words like actor:ada* action:cancel subject:mail since:1d"),
]


def shielded(arguments: Sequence[str]) -> list[str]:
    """Write negated words so that they are not taken for options: ``!queue:mail``."""
    return [f"!{each[1:]}" if _NEGATED.match(each) else each for each in arguments]


def joined(words: Sequence[str] | None) -> str:
    """Return the filter that the arguments are."""
    return " ".join(words or ())
