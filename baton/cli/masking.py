"""Keeps passwords out of what is said of wrong words: a DSN may stand where none belongs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import typer

# click's, which Typer has inside of itself or imports, depending on its version
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

_EXAMPLE = "postgresql://user:password@host:5432/database"
# whatever its address is: a password with a space in it ends in the next word
_DSN = re.compile(rf"(?!{re.escape(_EXAMPLE)})\b(postgres(?:ql)?(?:\+\w+)?://)\S+(?:\s+\S+@\S+)*")
_OTHER_URL = re.compile(r"(://[^\s:/@]*:)\S*@")
_KEYWORD = re.compile(r"((?:password|passfile|sslpassword)\s*=\s*)(?:'[^']*'?|\S+)", re.IGNORECASE)


def masked(text: str) -> str:
    """Return a message in which no password stands any more."""
    text = _DSN.sub(r"\1***", text)
    if _EXAMPLE not in text:
        text = _OTHER_URL.sub(r"\1***@", text)
    return _KEYWORD.sub(r"\1***", text)


@contextmanager
def masking() -> Iterator[None]:
    """Mask what a usage error says that is raised in this block."""
    try:
        yield
    except _UsageError as error:
        error.message = masked(error.message)  # type: ignore[attr-defined]
        raise
