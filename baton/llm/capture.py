"""What steps say to language models and hear from them, made fit to be kept.

A capture must never harm the step that it is of: whatever can't be written becomes a text that says
so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json, to_jsonable_python

from baton.documents import storable
from baton.jobs import Job
from baton.masking import secret_names

MAX_BYTES = 65_536
SMALLEST = 64  # bytes that are kept in any case
HIDDEN = "[redacted]"
_is_secret = secret_names()
_OPTIONS: dict[str, Any] = {
    "fallback": repr,
    "inf_nan_mode": "strings",
    "bytes_mode": "base64",
    "exclude_none": True,
}

Redactor = Callable[[Job, str, Any], Any]
Clean = Callable[[Job, object], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """Something that was captured of an attempt.

    Attributes:
        id: grows with insertion.
        job_id: the job.
        attempt: which attempt of it.
        workflow_id: the workflow of the step; ``None`` for a plain job.
        step_name: the name of the step; ``None`` for a plain job.
        kind: ``context``, ``request``, ``response`` or ``error``.
        content: what was captured, as JSON; where it was too large, its two ends as ``cut``.
        inserted_at: when it was captured.
    """

    id: int
    job_id: int
    attempt: int
    workflow_id: UUID | None
    step_name: str | None
    kind: str
    content: Any
    inserted_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "id": self.id,
            "job_id": self.job_id,
            "attempt": self.attempt,
            "workflow_id": None if self.workflow_id is None else str(self.workflow_id),
            "step_name": self.step_name,
            "kind": self.kind,
            "content": self.content,
            "inserted_at": self.inserted_at.isoformat(),
        }


def captured(
    job: Job, kind: str, content: Any, *, redactor: Redactor | None, max_bytes: int
) -> tuple[str, str | None]:
    """Return the JSON of a capture without its secrets, and what went wrong with the redactor.

    Args:
        job: whose it is.
        kind: what it is.
        content: anything.
        redactor: hides what the program wants hidden; one that raises hides everything.
        max_bytes: of a larger one the two ends are kept, as a text.
    """
    plain = hidden(_plain(content))
    problem = None
    if redactor is not None:
        try:
            plain = _plain(redactor(job, kind, plain))
        except Exception as error:
            problem = f"{type(error).__qualname__}: {error}"
            plain = {"redactor_failed": type(error).__qualname__}
    text = _written(plain)
    if len(text) > max_bytes:
        text = _cut(text, max_bytes)
    return text.decode(), problem


def _cut(text: bytes, limit: int) -> bytes:
    """Return the two ends of a capture as JSON of so many bytes at most, or hardly more.

    Quotes are written as two characters in it, so that it may take several trials.
    """
    kept = limit
    while True:
        head = kept // 4
        ends = (text[:head], text[len(text) - kept + head :])
        first, last = (end.decode("utf-8", "ignore") for end in ends)  # half a character goes
        gone = len(text) - kept
        cut = _written({"cut": f"{first}\n… {gone:,} bytes cut …\n{last}", "bytes": len(text)})
        if len(cut) <= limit or kept < SMALLEST:
            return cut
        kept = min(kept - 1, kept * limit // len(cut))


def as_it_is(_job: Job, text: object) -> str:
    """Say all of a text of an error."""
    return str(text)


def contents(job: Job, kind: str, content: Any, clean: Clean = as_it_is) -> Any:
    """Return what a capture of this kind consists of; texts of an error go through ``clean``."""
    if kind == "context":
        step = job.step
        return {
            "worker": job.worker,
            "args": job.args,
            "results": {} if step is None else {each: step.results.get(each) for each in step.deps},
            "context": {} if step is None else step.context,
        }
    if isinstance(content, BaseException):
        return {
            "kind": type(content).__qualname__,
            "message": clean(job, content),
            "status": getattr(content, "status_code", None),
            # most providers say the message there too
            "body": _each_text(_plain(getattr(content, "body", None)), partial(clean, job)),
        }
    return content


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _each_text(each, change) for key, each in value.items()}
    return [_each_text(each, change) for each in value] if isinstance(value, list) else value


def hidden(value: Any) -> Any:
    """Return JSON in which what stands under the name of a secret is hidden."""
    if isinstance(value, Mapping):
        likely = "logprob" in value  # what stands beside it is a token that a model said
        return {
            key: HIDDEN
            if _is_secret(str(key)) and not (likely and key == "token")
            else hidden(each)
            for key, each in value.items()
        }
    return [hidden(each) for each in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    try:
        return to_jsonable_python(value, **_OPTIONS)
    except Exception:  # half a surrogate pair, a circle, a property that raises
        return {"unreadable": _shown(value)}


def _shown(value: Any) -> str:
    try:
        return storable(repr(value), MAX_BYTES)
    except Exception:
        return type(value).__qualname__


def _written(plain: Any) -> bytes:
    try:
        text = to_json(plain, **_OPTIONS).replace(b"\\u0000", b"\\ufffd")
        from_json(text)  # as deep as may be read again
    except Exception:
        text = to_json({"unreadable": storable(_shown(plain), MAX_BYTES)})
    return text
