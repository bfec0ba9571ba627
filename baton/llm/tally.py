"""Sums of what an attempt used, until and after they are written.

Threads of the same job may record at the same time, and the process writes meanwhile.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock
from typing import Any

from baton.llm.pricing import Price
from baton.llm.usage import LARGEST, Usage

# one for all: it is held for microseconds, and a tally goes to child processes
_lock = Lock()

Key = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class News:
    """What was recorded since it was last asked: of one model, at prices of one source.

    Attributes:
        model, provider, prices: as the rows of ``workflow_step_stats`` have them.
        calls: how many; 0 when more was said of calls that had been counted.
        amounts: tokens, by their names in `Usage`.
        cost: in US dollars; ``None`` without a price.
    """

    model: str | None
    provider: str | None
    prices: str | None
    calls: int
    amounts: dict[str, int]
    cost: Decimal | None


@dataclass(slots=True)
class Line:
    """What one model was used for.

    Attributes:
        key: the model, its provider and where its price is from; ``None`` until there was a call.
        calls: how many.
        amounts: tokens, by their names in `Usage`.
        paid: in US dollars, for the calls whose price is known.
        unpriced: how many have none.
    """

    key: Key | None = None
    calls: int = 0
    amounts: dict[str, int] = field(default_factory=dict)
    paid: Decimal = Decimal(0)
    unpriced: int = 0

    @property
    def cost(self) -> Decimal | None:
        """In US dollars; ``None`` where a call has no price, or there was none."""
        return None if self.unpriced or not self.calls else self.paid

    @property
    def named(self) -> Key:
        """The key as it is shown: without a cost there is no source of prices."""
        model, provider, source = self.key or (None, None, None)
        return model, provider, None if self.cost is None else source

    def may_be_of(self, usage: Usage) -> bool:
        """Whether a call that was counted here may turn out to be this one."""
        model, provider, _ = self.key or (None, None, None)
        return model in (None, usage.model) and provider in (None, usage.provider)

    def add(self, usage: Usage, price: Price | None) -> "Call":
        """Count one more call."""
        self.calls += 1
        self._count(usage, price)
        return Call(self, usage, price)

    def replace(self, call: "Call", usage: Usage, price: Price | None) -> None:
        """Count what is known now of a call instead of what was known before.

        It stays in the line in which it began, because what was written of a line never shrinks,
        also when its price is from elsewhere by now. A line that began without a price has no
        place for the source of one, and stays without.
        """
        for name, amount in call.usage.amounts.items():
            self.amounts[name] -= amount
        if call.price is None:
            self.unpriced -= 1
        else:
            self.paid -= call.price.amount
        _, _, source = self.key or (None, None, None)
        if source is None:
            price = None
        self._count(usage, price)
        call.usage, call.price = usage, price

    def _count(self, usage: Usage, price: Price | None) -> None:
        for name, amount in usage.amounts.items():
            self.amounts[name] = min(self.amounts.get(name, 0) + amount, LARGEST)
        if price is None:
            self.unpriced += 1
        else:
            self.paid += price.amount

    def row(self) -> dict[str, Any]:
        """Return it as columns."""
        model, provider, source = self.named
        cost = None if self.cost is None else format(self.cost, "f")
        amounts = {name: self.amounts.get(name, 0) for name in Usage().amounts}
        return {
            "model": model,
            "provider": provider,
            "prices": source,
            "calls": self.calls,
            "cost": cost,
            **amounts,
        }


@dataclass(slots=True)
class Call:
    """What is known of a call; all names of its response stand for the same one."""

    line: Line
    usage: Usage
    price: Price | None


class Tally:
    """What one attempt used so far.

    Args:
        identity: the columns that all of its rows share.
    """

    def __init__(self, identity: dict[str, Any]) -> None:
        self._identity = identity
        self._lines = [Line()]
        self._seen: dict[str, Call] = {}
        self._met: list[Any] = []
        self._told: dict[Key, tuple[int, dict[str, int], Decimal]] = {}
        self.context_captured = False
        self._state: str | None = None
        self._duration: float | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what goes to another process: the responses stay where they are."""
        return {**self.__dict__, "_met": []}

    @property
    def is_empty(self) -> bool:
        """Whether no call was counted."""
        return self._lines[0].key is None

    def has_met(self, response: Any) -> bool:
        """Whether the very same object was counted before; from now on it was."""
        with _lock:
            if any(response is each for each in self._met):
                return True
            self._met.append(response)
            return False

    def add(self, usage: Usage, price: Price | None, *, stream: str | None = None) -> bool:
        """Count a call; false when nothing new was said of its response.

        A stream says more and more of the same response: what comes later is counted instead. Its
        name says so where its events have no id, or different ones.
        """
        names = [name for name in (stream, usage.response_id) if name]
        with _lock:
            call = next((self._seen[name] for name in names if name in self._seen), None)
            if call is None:
                call = self._line(_key(usage, price)).add(usage, price)
            elif usage.total_tokens > call.usage.total_tokens and call.line.may_be_of(usage):
                call.line.replace(call, usage, price)
            else:
                return False
            for name in names:
                self._seen.setdefault(name, call)
            return True

    def _line(self, key: Key) -> Line:
        for line in self._lines:
            if line.key is None or line.key == key:
                line.key = key
                return line
        self._lines.append(Line(key))
        return self._lines[-1]

    def news(self, before: "Tally | None" = None) -> list[News]:
        """Return what was recorded since this, or since the tally that it takes the place of."""
        with _lock:
            if before is not None:
                self._told = before._told  # noqa: SLF001  of the same attempt
            found = []
            for line in self._lines:
                if line.key is None:
                    continue
                old_calls, old, old_cost = self._told.get(line.key, (0, {}, Decimal(0)))
                # while it is not known, what was told of it stands
                cost = old_cost if line.cost is None else line.cost
                now = line.calls, dict(line.amounts), cost
                if now == (old_calls, old, old_cost):
                    continue
                self._told[line.key] = now
                # a stream may take back what it said of a part; what is told never does
                grown = {
                    name: max(0, now[1].get(name, 0) - old.get(name, 0)) for name in Usage().amounts
                }
                price = None if line.cost is None else max(Decimal(0), cost - old_cost)
                found.append(News(*line.named, line.calls - old_calls, grown, price))
            return found

    def end(self, state: str, duration: float) -> None:
        """Note what the attempt made of its job, and how many seconds it took."""
        with _lock:
            self._state, self._duration = state, duration * 1000

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of ``workflow_step_stats`` that say so."""
        with _lock:
            rows = [
                {**self._identity, "ordinal": ordinal, "state": self._state, **line.row()}
                for ordinal, line in enumerate(self._lines)
            ]
            rows[0]["duration_ms"] = self._duration
            return rows


def _key(usage: Usage, price: Price | None) -> Key:
    return usage.model, usage.provider, None if price is None else price.source


class Ledger:
    """The tallies of a process that have changed since they were written."""

    def __init__(self) -> None:
        self._changed: dict[Tally, None] = {}
        self._wake: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._changed)

    def tell(self, wake: Callable[[], None]) -> None:
        """Call this, in whichever thread, when something is to be written."""
        self._wake = wake

    def note(self, *tallies: Tally) -> None:
        """Have tallies written."""
        with _lock:
            self._changed.update(dict.fromkeys(tallies))
        self._wake()

    def take(self) -> list[Tally]:
        """Return what is to be written, and forget it."""
        with _lock:
            taken, self._changed = [*self._changed], {}
        return taken

    def put_back(self, tallies: Iterable[Tally]) -> None:
        """Have tallies written with the next cycle, whenever that is sent."""
        with _lock:
            self._changed.update(dict.fromkeys(tallies))
