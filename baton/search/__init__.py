"""The one language in which lists and bulk actions are told what they are about.

``state:retryable queue:mail,news -worker:Send* args.user_id:42 since:1h`` is split into `words`,
whose values `values` read by the kind of each field into `conditions`; `searches` and `lists` hold
them, for each kind of list. What they mean in SQL is `baton.store.matching`.
"""

from baton.search.lists import (
    ApprovalSearch,
    AuditSearch,
    CronSearch,
    ErrorSearch,
    ProcessSearch,
    QueueSearch,
)
from baton.search.searches import JobSearch, Search, WorkflowSearch
from baton.search.words import quoted

__all__ = [
    "ApprovalSearch",
    "AuditSearch",
    "CronSearch",
    "ErrorSearch",
    "JobSearch",
    "ProcessSearch",
    "QueueSearch",
    "Search",
    "WorkflowSearch",
    "quoted",
]
