"""Jobs: what is asked for (`NewJob`), what stands in the table (`Job`), and what performs it."""

from baton.jobs.job import (
    Job,
    Results,
    keeper_of,
)
from baton.jobs.new import (
    MAX_ATTEMPTS_LIMIT,
    PRIORITIES,
    RESERVED_META,
    WEIGHT_LIMIT,
    YEARS,
    NewJob,
    check_time,
    seconds,
)
from baton.jobs.step import (
    Addition,
    Claim,
    Grafted,
    Keeper,
    Meter,
    Step,
    Waited,
)

__all__ = [
    "MAX_ATTEMPTS_LIMIT",
    "PRIORITIES",
    "RESERVED_META",
    "WEIGHT_LIMIT",
    "YEARS",
    "Addition",
    "Claim",
    "Grafted",
    "Job",
    "Keeper",
    "Meter",
    "NewJob",
    "Results",
    "Step",
    "Waited",
    "check_time",
    "keeper_of",
    "seconds",
]
