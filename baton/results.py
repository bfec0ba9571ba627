"""What steps returned: as a type that was asked for, and as a reference to where it is kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from baton import documents
from baton.errors import InvalidResult, ResultMismatch

KEY = "$baton_result"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a result is kept.

    Attributes:
        store: the name of the result store.
        reference: what that store calls it.
        size: how many bytes it takes.
    """

    store: str
    reference: str
    size: int

    def document(self) -> str:
        """Return what stands in the database instead of the result."""
        facts = {"store": self.store, "reference": self.reference, "bytes": self.size}
        return documents.encode({KEY: facts})


def reference_in(value: Any) -> Reference | None:
    """Return the reference that a stored value is; ``None`` when it is the result itself."""
    if not isinstance(value, Mapping) or len(value) != 1 or KEY not in value:
        return None
    match value[KEY]:
        case {"store": str(store), "reference": str(reference), "bytes": int(size)}:
            return Reference(store, reference, size)
    return None


def references_in(value: Any) -> Iterator[Reference]:
    """Yield the references in a stored value; the result of a sub-workflow holds several."""
    if (found := reference_in(value)) is not None:
        yield found
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from references_in(inner)


def replaced(value: Any, kept: Mapping[Reference, Any]) -> Any:
    """Return a stored value with what its references refer to in their place."""
    if (found := reference_in(value)) is not None:
        return kept[found]
    if isinstance(value, Mapping):
        return {name: replaced(inner, kept) for name, inner in value.items()}
    return value


def check_unreserved(text: str) -> None:
    """Raise `InvalidResult` for a result, as JSON, that could be taken for a reference."""
    if f'"{KEY}":' in text:
        raise InvalidResult(f"the key {KEY} is Baton's own")


def fit(step: str, value: Any, wanted: Any) -> Any:
    """Return the result of a step as the type that was asked for.

    Args:
        step: whose result.
        value: what is stored, as JSON values.
        wanted: a type, as pydantic understands it, or a ``TypeAdapter``.

    Raises:
        ResultMismatch: it does not fit.
    """
    adapter = wanted if isinstance(wanted, TypeAdapter) else _adapter(wanted)
    try:
        return adapter.validate_json(to_json(value))
    except ValidationError as error:
        problems = (
            ": ".join(filter(None, [".".join(map(str, each["loc"])), each["msg"]]))
            for each in error.errors()
        )
        name = getattr(wanted, "__name__", None) or str(wanted)
        raise ResultMismatch(step, name, problems) from None


def _adapter(wanted: Any) -> TypeAdapter[Any]:
    try:
        return _cached(wanted)
    except TypeError:  # it has no hash
        return TypeAdapter(wanted)


@lru_cache(maxsize=512)
def _cached(wanted: Any) -> TypeAdapter[Any]:
    return TypeAdapter(wanted)
