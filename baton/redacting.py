"""What an attempt came to, without what a program does not want to be told of its errors."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from baton.hooks import ErrorRedactor
from baton.jobs import Job
from baton.outcomes import Cancel, Completed, Discard, Failure, Outcome, failure


def redacted(job: Job, outcome: Outcome, redact: ErrorRedactor) -> Outcome:
    """Return an outcome whose every text of an error went through ``redact``.

    Where that raises, or returns no text, nothing of the error is kept but its kind. An exception
    whose text was changed goes no further itself: it would still tell what it was.
    """
    clean = partial(cleaner(redact), job)
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


def described(job: Job, error: BaseException, redact: ErrorRedactor | None) -> Failure:
    """Describe an exception that is no outcome, as `redacted` leaves those that are."""
    told = failure(error)  # an exception whose own methods raise must not do it here
    return told if redact is None else _cleaned(told, partial(cleaner(redact), job))


def cleaner(redact: ErrorRedactor | None) -> Callable[[Job, object], str]:
    """Return what says of a text of an error no more than a program wants; it never raises."""
    if redact is None:
        return lambda _, text: str(text)

    def clean(job: Job, text: object) -> str:
        try:
            cleaned: object = redact(job, str(text))
        except BaseException as error:
            return _refused(f"raised {type(error).__qualname__}")
        return cleaned if isinstance(cleaned, str) else _refused("returned no text")

    return clean


def _cleaned(failed: Failure, clean: Callable[[object], str]) -> Failure:
    message = clean(failed.message)
    story = None if failed.traceback is None else clean(failed.traceback)
    same = (message, story) == (failed.message, failed.traceback)
    return replace(failed, message=message, traceback=story, error=failed.error if same else None)


def _refused(why: str) -> str:
    return f"(not kept, since the function under redact_errors {why})"
