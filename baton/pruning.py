"""What becomes of finished jobs: rules that say which are deleted, and how people write them."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from baton.documents import check_text
from baton.states import State

FINAL = tuple(state for state in State if state.is_final)
LONGEST = 100 * 366 * 86_400.0  # seconds
MOST_KEPT = 10**12
ALL = "all"

_AGE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) *(s|m|h|d|w)?")
_UNITS = {None: 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_OFF = ("", "false", "no", "off")
_ON = ("true", "yes", "on")
_FIELDS = ("states", "queue", "worker", "older_than", "keep")


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRule:
    """A finished job is pruned when the first rule that matches it says so.

    Attributes:
        states: matches jobs in one of these.
        queue: matches jobs of this queue; ``None`` is any.
        worker: matches jobs of this worker; ``None`` is any.
        older_than: prunes what ended more than so many seconds ago; ``None`` is at any age.
        keep: never prunes so many of the newest jobs that it decides about; ``None`` is none. A
            rule with neither prunes nothing.
    """

    states: tuple[State, ...] = FINAL
    queue: str | None = None
    worker: str | None = None
    older_than: float | None = None
    keep: int | None = None


def read_rules(given: Any) -> tuple[PruneRule, ...]:
    """Read rules: tables as in ``baton.toml``, their JSON, or ``completed=7d,discarded=30d``.

    Raises:
        ValueError: they can't be read.
    """
    if isinstance(given, str):
        return _read_text(given)
    if isinstance(given, Mapping | PruneRule):
        given = [given]
    if not isinstance(given, Iterable):
        raise ValueError(  # noqa: TRY004  pydantic wants this one
            f"rules are a list of tables, or like completed=7d, not {given!r}"
        )
    return tuple(rule for each in given for rule in _read_one(each))


def read_age(given: Any, name: str = "older_than") -> float:
    """Read seconds: a number, a text with a unit like ``7d``, or a timedelta.

    Raises:
        ValueError: they can't be read.
    """
    found = _AGE.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is not None:
        seconds = float(found[1]) * _UNITS[found[2]]
    elif isinstance(given, timedelta):
        seconds = given.total_seconds()
    elif isinstance(given, int | float) and not isinstance(given, bool):
        seconds = float(given)
    else:
        raise ValueError(f"{name} is like 90, 15m, 12h, 7d or 4w, not {given!r}")
    if not math.isfinite(seconds) or not 0 < seconds <= LONGEST:
        raise ValueError(f"{name} is more than 0 and at most 100 years, not {given!r}")
    return seconds


def read_retention(given: Any) -> float | None:
    """Read for how long workflows are kept after their jobs: a switch or an age.

    Returns:
        Seconds since they finished; ``None`` keeps them for ever.

    Raises:
        ValueError: it can't be read.
    """
    word = given.strip().lower() if isinstance(given, str) else given
    if word is None or word is False or word in _OFF:
        return None
    if word is True or word in _ON:
        return 0.0
    return read_age(given, "the age of workflows")


def _read_one(given: Any) -> tuple[PruneRule, ...]:
    if isinstance(given, PruneRule):
        return (given,)
    if isinstance(given, str):
        return _read_text(given)
    if not isinstance(given, Mapping):
        raise ValueError(  # noqa: TRY004
            f"a rule is a table of {', '.join(_FIELDS)}, not {given!r}"
        )
    if unknown := [str(name) for name in given if name not in _FIELDS]:
        raise ValueError(f"a rule has no {', '.join(unknown)}; it has {', '.join(_FIELDS)}")
    if given.get("older_than") is None and given.get("keep") is None:
        raise ValueError('a rule needs older_than, like "7d", or keep, like 1000 or "all"')
    older_than, keep = given.get("older_than"), given.get("keep")
    if keep == ALL and older_than is not None:
        raise ValueError('keep = "all" prunes nothing, so older_than has no meaning beside it')
    return (
        PruneRule(
            states=_states(given.get("states")),
            queue=_name("queue", given.get("queue")),
            worker=_name("worker", given.get("worker")),
            older_than=None if older_than is None else read_age(older_than),
            keep=None if keep is None or keep == ALL else _keep(keep),
        ),
    )


def _read_text(text: str) -> tuple[PruneRule, ...]:
    if text.lstrip().startswith(("[", "{")):
        try:
            return read_rules(json.loads(text))
        except json.JSONDecodeError as error:
            raise ValueError(f"the rules are not JSON: {error}") from None
        except RecursionError:
            raise ValueError("the rules are nested too deeply") from None
    return tuple(_read_word(word.strip()) for word in text.split(",") if word.strip())


def _read_word(word: str) -> PruneRule:
    state, separator, age = (part.strip() for part in word.rpartition("="))
    if not separator:
        raise ValueError(f"{word!r} is not a state and an age, like completed=7d")
    return PruneRule(states=FINAL if state == ALL else _states([state]), older_than=read_age(age))


def _states(given: Any) -> tuple[State, ...]:
    if given is None:
        return FINAL
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, Iterable) or not (words := list(words)):
        raise ValueError(f"states are a list of {', '.join(FINAL)}, not {given!r}")
    for word in words:
        if word not in FINAL:
            raise ValueError(f"only finished jobs are pruned: {', '.join(FINAL)}, not {word!r}")
    return tuple(dict.fromkeys(State(word) for word in words))


def _name(what: str, given: Any) -> str | None:
    return None if given is None else check_text(given, what)


def _keep(given: Any) -> int:
    if type(given) is not int or not 0 <= given <= MOST_KEPT:
        raise ValueError(f'keep is a number of jobs, 0 or more, or "all", not {given!r}')
    return given
