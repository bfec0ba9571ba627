"""The texts that the demo reads: files that a person names, or some that Python brings along."""

import ast
import codecs
import inspect
import re
import sysconfig
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from baton.errors import BatonError

SIZE_LIMIT = 1_000_000
TITLE_LIMIT = 60
DEFAULT_TOPIC = "how Python speaks the internet"

_STDLIB_TEXTS = (
    "http/server.py",
    "http/client.py",
    "http/cookiejar.py",
    "urllib/parse.py",
    "urllib/request.py",
    "email/architecture.rst",
    "email/message.py",
    "smtplib.py",
    "socketserver.py",
    "ssl.py",
    "ipaddress.py",
    "uuid.py",
    "base64.py",
)
_SHORTEST_PROSE = 30
_LONGEST_FIRST = (
    codecs.BOM_UTF32_LE,
    codecs.BOM_UTF32_BE,
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
)
_ENCODINGS = dict(zip(_LONGEST_FIRST, ("utf-32", "utf-32", "utf-16", "utf-16"), strict=True))
_NEWLINE = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


class Document(TypedDict):
    """A text that was read; plain JSON, so that a step can return it."""

    title: str
    path: str
    text: str


class UnreadableSource(BatonError):
    """A path that no text can be read from."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"can't read {inert(str(path))}: {reason}")
        self.path = path
        self.reason = reason


def read(path: str | Path, *, limit: int = SIZE_LIMIT) -> Document:
    """Read one text file; its name is the title.

    UTF-8 is expected and a byte order mark is believed; bytes that don't fit become U+FFFD.
    Characters that would steer a terminal are removed. The text of a Python file is what its
    strings say, docstrings above all: those of thirty words and more, or all if none is so long.

    Args:
        path: the file.
        limit: the largest size in bytes.

    Raises:
        UnreadableSource: it is missing, not a regular file, not permitted or too large.
    """
    path = Path(path)
    text = inert(_decode(_read_bytes(path, limit)))
    if path.suffix == ".py":
        text = inert(_prose_of(text))
    title = " ".join(inert(path.name).split())
    return Document(title=title[:TITLE_LIMIT], path=inert(str(path)), text=text)


def default_paths() -> list[Path]:
    """Return texts that are there wherever Python is: what its network modules say of themselves.

    Most are Python files of the standard library, whose docstrings are read. Where the library is
    not made of files (a zip, or compiled modules only), the demo reads its own modules.
    """
    library = Path(sysconfig.get_path("stdlib"))
    found = [library / name for name in _STDLIB_TEXTS if (library / name).is_file()]
    return found or sorted(Path(__file__).parent.glob("[!_]*.py"))


def inert(text: str) -> str:
    """Replace what a terminal would obey or a database refuse; newlines and tabs stay."""
    lines = _NEWLINE.sub("\n", text)
    if lines.isascii() and lines.replace("\n", "").replace("\t", "").isprintable():
        return lines
    return "".join(map(_inert_character, lines))


def _inert_character(character: str) -> str:
    if character in "\n\t" or character.isprintable():
        return character
    match unicodedata.category(character):
        case "Zs":
            return " "
        case "Cs":
            return "\ufffd"
        case "Cc" | "Cf":
            return ""
        case _:
            return character


def _read_bytes(path: Path, limit: int) -> bytes:
    try:
        # a pipe or a device would block or never end
        if path.exists() and not path.is_file():
            raise UnreadableSource(path, "it is not a file")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise UnreadableSource(path, getattr(error, "strerror", None) or str(error)) from None
    if len(content) > limit:
        raise UnreadableSource(path, f"it is larger than the limit of {limit:,} bytes")
    return content


def _decode(content: bytes) -> str:
    for mark, encoding in _ENCODINGS.items():
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    return content.decode("utf-8-sig", "replace")


def _prose_of(source: str) -> str:
    """Return the prose in a Python file; the file when it can't be parsed or holds no strings."""
    try:
        strings = [inspect.cleandoc(text) for text in _strings(ast.parse(source))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    prose = [text for text in strings if len(text.split()) >= _SHORTEST_PROSE]
    return "\n\n".join(prose or strings) or source


def _strings(tree: ast.Module) -> Iterator[str]:
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    for node in found:
        yield str(node.value)
