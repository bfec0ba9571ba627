"""What may be spent on language models: budgets, and what one attempt costs at most."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, get_args
from uuid import UUID

from baton.errors import InvalidBudget
from baton.wording import counted

OnExceeded = Literal["hold", "cancel"]
Amount = Decimal | int | str

DEAREST = Decimal(10) ** 15  # dollars
DIGITS = 18  # behind the point
LARGEST = 2**63 - 1
META_COST, META_TOKENS = "llm_max_cost", "llm_max_tokens"
NO_LIMIT = "a budget limits cost, tokens or both"


@dataclass(frozen=True, slots=True, init=False)
class Budget:
    """What a workflow, or a queue in a day, may spend on language models.

    Args:
        cost: in US dollars: a `Decimal`, a text or a whole number; ``None`` does not limit money.
        tokens: input and output together; ``None`` does not limit them.
        on_exceeded: ``hold``: an attempt that would start beyond it waits; ``cancel``: the workflow
            is cancelled then.

    Raises:
        InvalidBudget: nothing is limited, or a limit can't be one.
    """

    cost: Decimal | None
    tokens: int | None
    on_exceeded: OnExceeded

    def __init__(
        self,
        cost: Amount | None = None,
        tokens: int | None = None,
        on_exceeded: OnExceeded = "hold",
    ) -> None:
        if cost is None and tokens is None:
            raise InvalidBudget(NO_LIMIT)
        checked_exceeded(on_exceeded)
        object.__setattr__(self, "cost", checked_cost("cost", cost))
        object.__setattr__(self, "tokens", checked_tokens("tokens", tokens))
        object.__setattr__(self, "on_exceeded", on_exceeded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Most:
    """What one attempt uses of language models at most.

    Attributes:
        cost: in US dollars; ``None`` when nobody said.
        tokens: input and output together; ``None`` when nobody said.
    """

    cost: Decimal | None = None
    tokens: int | None = None

    @classmethod
    def of(cls, cost: Any, tokens: Any) -> "Most":
        """Check what a program says.

        Raises:
            InvalidBudget: it can't be a limit.
        """
        return cls(cost=checked_cost("max_cost", cost), tokens=checked_tokens("max_tokens", tokens))

    def over(self, meta: Any) -> "Most":
        """Return it with what the meta of a job says instead.

        Raises:
            InvalidBudget: that can't be a limit.
        """
        if META_COST not in meta and META_TOKENS not in meta:
            return self
        cost, tokens = meta.get(META_COST), meta.get(META_TOKENS)
        return Most(
            cost=self.cost if cost is None else checked_cost(META_COST, cost),
            tokens=self.tokens if tokens is None else checked_tokens(META_TOKENS, tokens),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """A budget as it stands; costs are in US dollars, tokens are input and output together.

    Attributes:
        workflow_id, workflow: the workflow and its name; ``None`` when it is of a queue.
        queue: the queue, of which it is for a day; ``None`` when it is of a workflow.
        cost, tokens: the limits; ``None`` where there is none.
        on_exceeded: ``hold`` or ``cancel``.
        spent_cost, spent_tokens: what was used; of a queue, today.
        reserved_cost, reserved_tokens: what attempts that run may use beyond that, as far as it was
            said.
        held: how many jobs it keeps from starting.
        renews_at: when the next day begins; ``None`` for a workflow.
    """

    workflow_id: UUID | None
    workflow: str | None
    queue: str | None
    cost: Decimal | None
    tokens: int | None
    on_exceeded: str
    spent_cost: Decimal
    spent_tokens: int
    reserved_cost: Decimal
    reserved_tokens: int
    held: int
    renews_at: datetime | None
    inserted_at: datetime
    updated_at: datetime

    @property
    def limits(self) -> str:
        """What may be spent, for people."""
        return self._told(self.cost, self.tokens)

    @property
    def spent(self) -> str:
        """What was used of what is limited, for people."""
        return self._told(self.spent_cost, self.spent_tokens)

    @property
    def reserved(self) -> str:
        """What attempts that run may use beyond that, for people; empty when it is nothing."""
        if not self.reserved_cost and not self.reserved_tokens:
            return ""
        return self._told(self.reserved_cost, self.reserved_tokens)

    def _told(self, cost: Decimal | None, tokens: int | None) -> str:
        money = None if self.cost is None or cost is None else dollars(cost)
        count = None if self.tokens is None or tokens is None else counted(tokens, "token")
        return ", ".join(part for part in (money, count) if part is not None)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; costs are texts, as they are exact."""
        return {
            "workflow_id": None if self.workflow_id is None else str(self.workflow_id),
            "workflow": self.workflow,
            "queue": self.queue,
            "cost": _text(self.cost),
            "tokens": self.tokens,
            "on_exceeded": self.on_exceeded,
            "spent_cost": _text(self.spent_cost),
            "spent_tokens": self.spent_tokens,
            "reserved_cost": _text(self.reserved_cost),
            "reserved_tokens": self.reserved_tokens,
            "held": self.held,
            "renews_at": None if self.renews_at is None else self.renews_at.isoformat(),
            "inserted_at": self.inserted_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }


def checked_exceeded(given: Any) -> OnExceeded:
    """Return what becomes of what would start beyond a budget.

    Raises:
        InvalidBudget: it is nothing that can be chosen.
    """
    if given not in get_args(OnExceeded):
        raise InvalidBudget(f"on_exceeded must be hold or cancel, not {given!r}")
    chosen: OnExceeded = given
    return chosen


def checked_cost(what: str, given: Any) -> Decimal | None:
    """Return an amount of US dollars.

    Raises:
        InvalidBudget: it is no such amount, or one that a float may have changed.
    """
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, Decimal | int | str):
        raise InvalidBudget(f"{what} must be a Decimal, a text or a whole number, not {given!r}")
    try:
        amount = Decimal(given)
    except InvalidOperation:
        raise InvalidBudget(f"{what} must be an amount of US dollars, not {given!r}") from None
    if not amount.is_finite() or not 0 <= amount < DEAREST:
        raise InvalidBudget(f"{what} must be from 0 to {DEAREST:f} US dollars, not {given!r}")
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -DIGITS:
        raise InvalidBudget(f"{what} has at most {DIGITS} digits behind the point, not {given!r}")
    return amount


def checked_tokens(what: str, given: Any) -> int | None:
    """Return a number of tokens.

    Raises:
        InvalidBudget: it is none.
    """
    if given is not None and (type(given) is not int or not 0 <= given <= LARGEST):
        raise InvalidBudget(f"{what} must be a whole number from 0 on, not {given!r}")
    return given


def dollars(amount: Decimal) -> str:
    """Write an amount for people: two digits, or as many as it has."""
    plain = amount.normalize()
    exponent = plain.as_tuple().exponent
    digits = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"${plain:,.{digits}f}"


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
