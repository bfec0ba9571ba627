"""The brief: the results of the analyses as a text for a terminal 80 columns wide."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

WIDTH = 80
BAR = 20
TITLE_WIDTH = 28


def brief(
    topic: str,
    summary: Mapping[str, Any],
    keywords: Mapping[str, Any],
    credibility: Mapping[str, Any],
    *,
    skipped: Iterable[Mapping[str, str]] = (),
) -> str:
    """Join a summary, keywords and a score into a readable text.

    Args:
        topic: what it is about.
        summary: from `baton.demo.text.summarize`.
        keywords: from `baton.demo.text.keywords`.
        credibility: from `baton.demo.signals.credibility`.
        skipped: mappings of ``path`` and ``reason``: files that were not read.
    """
    total = sum(text["words"] for text in summary["texts"])
    lines = [
        *_heading(f"Research brief: {' '.join(topic.split())}", "="),
        f"{_plural(len(summary['texts']), 'text')}, {_plural(total, 'word')}",
        *(line for one in skipped for line in _wrapped(f"not read: {one['reason']}")),
        "",
        *_heading("Summary", "-"),
        *_summary(summary),
        "",
        *_heading("Keywords", "-"),
        *_keywords(keywords),
        "",
        *_heading("Credibility", "-"),
        *_credibility(credibility),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _heading(text: str, rule: str) -> list[str]:
    lines = textwrap.wrap(text, WIDTH)
    return [*lines, rule * max(map(len, lines))]


def _summary(summary: Mapping[str, Any]) -> Iterator[str]:
    if not summary["sentences"]:
        yield "There is nothing to summarize."
        return
    for sentence in summary["sentences"]:
        yield from _wrapped(f"{sentence['text']} [{sentence['document']}]", first="* ")
    chosen = len(summary["sentences"])
    yield f"({chosen:,} of {_plural(summary['chosen_from'], 'sentence')})"


def _keywords(keywords: Mapping[str, Any]) -> Iterator[str]:
    if not keywords["keywords"]:
        yield "There are no words to rank."
        return
    best = max(keyword["score"] for keyword in keywords["keywords"])
    for keyword in keywords["keywords"]:
        phrase = textwrap.shorten(keyword["phrase"], TITLE_WIDTH, placeholder="…")
        where = f"{_plural(keyword['count'], 'time')} in {_plural(keyword['documents'], 'text')}"
        yield f"{phrase:<{TITLE_WIDTH}}  {_bar(keyword['score'], best)}  {where}"


def _credibility(credibility: Mapping[str, Any]) -> Iterator[str]:
    if credibility["score"] is None:
        yield from _wrapped(f"No score: {credibility['note']}.")
    else:
        yield f"Score {credibility['score']} of 100; it measures how texts are written, not whether"
        yield "they are true."
        yield ""
    for signal in credibility["signals"]:
        points = f"{signal['points']:4.1f} of {signal['out_of']}"
        yield from _wrapped(signal["finding"], first=f"{signal['name']:<12} {points:>10}  ")
    yield ""
    yield f"{'text':<{TITLE_WIDTH}}  {'words':>8}  {'sentences':>9}  {'reading ease':>12}  score"
    for document in credibility["documents"]:
        yield _row(document)


def _row(document: Mapping[str, Any]) -> str:
    title = _cut(document["title"], TITLE_WIDTH)
    ease = "-" if document["reading_ease"] is None else f"{document['reading_ease']:.0f}"
    score = "-" if document["score"] is None else f"{document['score']}"
    counts = f"{document['words']:>8,}  {document['sentences']:>9,}"
    return f"{title:<{TITLE_WIDTH}}  {counts}  {ease:>12}  {score:>5}"


def _bar(value: float, best: float) -> str:
    filled = round(BAR * value / best) if best > 0 else 0
    return ("#" * max(1, filled)).ljust(BAR)


def _wrapped(text: str, first: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
