"""What an attempt came to, without what a program does not want to be stored of its errors."""

from collections.abc import Callable
from dataclasses import replace

from baton.hooks import ErrorRedactor
from baton.jobs import Job
from baton.outcomes import Cancel, Completed, Discard, Failure, Outcome, failure


def redacted(job: Job, outcome: Outcome, redact: ErrorRedactor) -> Outcome:
    """Return an outcome whose every text of an error went through ``redact``.

    Where that raises, or returns no text, nothing of the error is kept but its kind. An exception
    whose text was changed goes no further itself: it would still tell what it was.
    """

    def clean(text: object) -> str:
        try:
            cleaned: object = redact(job, str(text))
        except BaseException as error:
            return _refused(f"raised {type(error).__qualname__}")
        return cleaned if isinstance(cleaned, str) else _refused("returned no text")

    match outcome:
        case Failure():
            return _cleaned(outcome, clean)
        case Discard(BaseException() as error):
            return Discard(_cleaned(failure(error), clean))
        case Discard(reason) | Cancel(reason):
            return replace(outcome, reason=clean(reason))
        case Completed(otherwise):
            return replace(outcome, otherwise=redacted(job, otherwise, redact))
        case _:
            return outcome


def _cleaned(failed: Failure, clean: Callable[[object], str]) -> Failure:
    message = clean(failed.message)
    story = None if failed.traceback is None else clean(failed.traceback)
    same = (message, story) == (failed.message, failed.traceback)
    return replace(failed, message=message, traceback=story, error=failed.error if same else None)


def _refused(why: str) -> str:
    return f"(not kept, since the function under redact_errors {why})"
