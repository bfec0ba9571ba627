"""What an examination of a database and its worker processes finds: the values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Jobs don't run, or may be lost."""
    WARNING = "warning"
    """It costs speed, or will come to an error."""
    NOTICE = "notice"
    """It may be meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        check: the name of the check that found it.
        severity: how bad it is.
        sentence: what is the matter.
        command: what mends it, for a shell; ``None`` when that is not one command.
        facts: the values in the sentence, for programs.
    """

    check: str
    severity: Severity
    sentence: str
    command: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A check that could not be done.

    Attributes:
        check: its name.
        reason: why.
        command: with what it is done, for a shell.
    """

    check: str
    reason: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on something is a finding.

    Attributes:
        transaction: seconds that a transaction may take.
        clock: seconds that two clocks may differ.
        silence: seconds after the end of its lease that a process is not heard of, or that the
            dependents of a step wait to be looked at.
        notification: seconds that a notification may take.
        connections: the share of the server's connections that may be taken.
        age: transactions that the oldest row may be old; the server stops at two billion.
    """

    transaction: float = 600.0
    clock: float = 1.0
    silence: float = 60.0
    notification: float = 3.0
    connections: float = 0.8
    age: int = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Checkup:
    """What an examination came to.

    Attributes:
        checks: the names of what was looked at.
        findings: what was found, the worst first.
        skipped: what could not be looked at.
    """

    checks: Sequence[str]
    findings: Sequence[Finding]
    skipped: Sequence[Skipped] = ()

    @property
    def has_errors(self) -> bool:
        """Whether anything is broken."""
        return any(each.severity is Severity.ERROR for each in self.findings)
