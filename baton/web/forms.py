"""Forms that are sent to the page: small, URL-encoded, and nothing else."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request

from baton.errors import BatonError

LARGEST = 1_048_576  # bytes
FIELDS = 5_000


class InvalidForm(BatonError):
    """What was sent is no form of the page."""


class Form:
    """What was sent.

    Args:
        pairs: names and values, in their order.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def get(self, name: str) -> str:
        """Return the first value of a field; empty when there is none."""
        return next((value for key, value in self._pairs if key == name), "").strip()

    def all(self, name: str) -> list[str]:
        """Return all values of a field."""
        return [value for key, value in self._pairs if key == name]

    def some(self, names: Sequence[str]) -> Mapping[str, object]:
        """Return some fields, those with several values as lists, empty ones left out."""
        found: dict[str, object] = {}
        for name in names:
            values = [value for value in self.all(name) if value.strip()]
            if values:
                found[name] = values[0] if len(values) == 1 else values
        return found


async def read(request: Request) -> Form:
    """Read the form of a request.

    Raises:
        InvalidForm: it is too large, or none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise InvalidForm(f"a form may have {LARGEST:,} bytes at most")
    if body and kind != "application/x-www-form-urlencoded":
        raise InvalidForm(f"a form is sent as application/x-www-form-urlencoded, not {kind!r}")
    try:
        return Form(
            parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
        )
    except (UnicodeDecodeError, ValueError):
        raise InvalidForm("the form can't be read") from None
