"""Result stores: where a program keeps results that are too large for the database."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from baton.documents import check_text
from baton.errors import DuplicateResultStore, InvalidResultStore
from baton.jobs import Job

THRESHOLD = 65_536  # bytes


class ResultStore(Protocol):
    """Keeps the results of steps, as bytes, and finds them again by a reference of its own."""

    def put(self, job: Job, data: bytes, /) -> str | Awaitable[str]: ...
    def get(self, reference: str, /) -> bytes | Awaitable[bytes]: ...


S = TypeVar("S", bound="ResultStore | Callable[[], ResultStore]")


@dataclass(frozen=True, slots=True)
class RegisteredStore:
    """A result store, and what is kept there.

    Attributes:
        name: what references call it.
        threshold: results of more bytes than this are kept there.
        store: itself.
    """

    name: str
    threshold: int
    store: ResultStore


class ResultStores:
    """The result stores of a registry, by name."""

    def __init__(self) -> None:
        super().__init__()
        self._result_stores: dict[str, RegisteredStore] = {}

    def result_store(
        self, *, threshold: int = THRESHOLD, name: str = "default"
    ) -> Callable[[S], S]:
        """Do what `baton.result_store` does, in this registry."""

        def register(given: S) -> S:
            store: Any = given() if isinstance(given, type) else given
            if not all(callable(getattr(store, method, None)) for method in ("put", "get")):
                raise InvalidResultStore(
                    f"a result store has put(job, data) and get(reference), unlike {given!r}"
                )
            if type(threshold) is not int or threshold < 0:
                raise InvalidResultStore(
                    f"the threshold of a result store is a number of bytes, not {threshold!r}"
                )
            try:
                known = self._result_stores.get(check_text(name, "the name of a result store"))
            except ValueError as error:
                raise InvalidResultStore(str(error)) from None
            if known is not None and _origin(known.store) != _origin(store):
                raise DuplicateResultStore(name)
            self._result_stores[name] = RegisteredStore(name, threshold, store)
            return given

        return register

    @property
    def result_stores(self) -> Mapping[str, RegisteredStore]:
        """The result stores by name; the one that was registered last takes new results."""
        return self._result_stores


def _origin(store: ResultStore) -> tuple[str, str]:
    return type(store).__module__, type(store).__qualname__
