"""Takes the code blocks out of a Markdown file, in order."""

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt


@dataclass(frozen=True)
class Block:
    """A fenced block: ``python``, ``sh`` or another language, and a file's name if it is one."""

    language: str
    file: str | None
    text: str
    line: int


def blocks(path: Path) -> list[Block]:
    found = []
    for token in MarkdownIt().parse(path.read_text("utf-8")):
        if token.type == "fence":
            language, _, file = token.info.strip().partition(" ")
            line = token.map[0] + 1 if token.map else 0
            found.append(Block(language, file or None, token.content, line))
    return found
