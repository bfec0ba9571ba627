"""How texts are written: their readability, and a score of habits that careful authors share.

The score measures manners, not truth, and says how it came about: every signal is counted, shown
and weighed by a formula of its own.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from baton.demo.sources import Document
from baton.demo.words import is_closed, is_english, sentences, syllables, words

FEWEST_WORDS = 50
WINDOW = 100

HEDGES = frozenset(
    """
    about almost apparently appear appears approximately arguably assume assumes could estimated
    generally indicate indicates largely likely mainly may maybe might mostly normally often
    perhaps possible possibly potentially presumably probable probably rarely relatively roughly
    seem seems sometimes somewhat suggest suggests tend tends typically unlikely usually
    """.split()  # noqa: SIM905
)
ABSOLUTES = frozenset(
    """
    absolutely always best certainly clearly completely definitely entirely every everybody
    everyone everything forever guaranteed impossible inevitably must never nobody none nothing
    obviously perfect perfectly proven totally truly undeniable undoubtedly unquestionably
    utterly worst
    """.split()  # noqa: SIM905
)
_REFERENCE = re.compile(
    r"(?:https?://|www\.)\w"
    r"|\b(?:RFC|PEP|ISBN|ISO|IEEE|arXiv)[ :-]{0,2}\d"
    r"|\bdoi[.: ]{1,2}[\w/]"
    r"|(?<![\w\])])\[\d{1,3}\]"
    r"|\bet al\b"
    r"|\((?:[^\W\d][^()\d]{0,60}[ ,])?(?:1[5-9]|20)\d\d[a-z]?\)"
)
_FIGURE = re.compile(r"(?<![\w.])\d[\d.,]*+")
_EXCLAMATION = re.compile(r"(?<=[^\W\d_])!++(?![=\w])")
_SHOUTING = re.compile(r"\b[A-Z]{2,}+(?:\s++[A-Z]{2,}+\b){2,}+")


class Signal(NamedTuple):
    """One part of the score: what was found, in words, and the points for it."""

    name: str
    finding: str
    points: float
    out_of: int

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {**self._asdict(), "points": round(self.points, 1)}


def credibility(documents: Sequence[Document]) -> dict[str, Any]:
    """Measure how readable and how carefully written documents are.

    Reading ease is Flesch's (1948): 206.835 - 1.015 words per sentence - 84.6 syllables per word,
    with estimated syllables; 60 to 70 is plain English, under 30 is hard. It and the score are
    ``None`` for texts that don't look English or have under 50 words; ``note`` then says so.

    Returns:
        ``score`` (0 to 100), ``reading_ease``, ``words``, ``sentences``, ``note``, ``signals`` (the
        parts of the score: name, finding, points, out_of) for all documents together, and
        ``documents``: mappings of title, score, reading_ease, words and sentences.
    """
    each = [_Measured([document["text"]]) for document in documents]
    together = _Measured([document["text"] for document in documents])
    return {
        **together.as_json(),
        "note": together.note,
        "signals": [signal.as_json() for signal in together.signals],
        "documents": [
            {"title": document["title"], **measured.as_json()}
            for document, measured in zip(documents, each, strict=True)
        ],
    }


class _Measured:
    """What is counted in some texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.text = "\n\n".join(texts)
        self.words = words(self.text)
        found = [sentence for text in texts for sentence in sentences(text)]
        self.sentences = [sentence for sentence in found if is_closed(sentence)] or found
        self.note = self._note()
        self.reading_ease = None if self.note else _reading_ease(self.sentences)
        self.signals = [] if self.reading_ease is None else self._signals(self.reading_ease)

    @property
    def score(self) -> int | None:
        return round(sum(signal.points for signal in self.signals)) if self.signals else None

    def as_json(self) -> dict[str, Any]:
        return {
            "score": self.score,
            "reading_ease": self.reading_ease,
            "words": len(self.words),
            "sentences": len(self.sentences),
        }

    def _note(self) -> str | None:
        if len(self.words) < FEWEST_WORDS:
            return f"fewer than {FEWEST_WORDS} words: too little to measure"
        if not is_english(self.words):
            return "this does not look like English: readability and manner were not measured"
        return None

    def _signals(self, reading_ease: float) -> list[Signal]:
        return [
            self._references(),
            self._balance(),
            self._figures(),
            self._calm(),
            _readability(reading_ease),
            _variety(self.words),
        ]

    def _references(self) -> Signal:
        count = _count(_REFERENCE, self.text)
        rate = self._rate(count)
        finding = f"{count:,} links and citations, {rate:.1f} per 1,000 words"
        return Signal("references", finding, 25 * min(1, rate / 5), 25)

    def _balance(self) -> Signal:
        hedges = sum(word in HEDGES for word in self.words)
        absolutes = sum(word in ABSOLUTES for word in self.words)
        # one of each to start with, so that a text with neither stands in the middle
        share = (hedges + 1) / (hedges + absolutes + 2)
        finding = f"{hedges:,} words that hedge, {absolutes:,} that are absolute"
        return Signal("balance", finding, 20 * share, 20)

    def _figures(self) -> Signal:
        count = _count(_FIGURE, self.text)
        rate = self._rate(count)
        finding = f"{count:,} numbers, {rate:.1f} per 1,000 words"
        return Signal("figures", finding, 15 * min(1, rate / 15), 15)

    def _calm(self) -> Signal:
        shouted = sum(len(match.group().split()) for match in _SHOUTING.finditer(self.text))
        exclamations = _count(_EXCLAMATION, self.text)
        rate = self._rate(shouted + exclamations)
        finding = f"{exclamations:,} exclamations, {shouted:,} words shouted in capitals"
        return Signal("calm", finding, 15 * max(0, 1 - rate / 10), 15)

    def _rate(self, count: int) -> float:
        return 1000 * count / len(self.words)


def _reading_ease(found: Sequence[str]) -> float:
    spoken = [word for sentence in found for word in words(sentence)]
    per_sentence = len(spoken) / max(1, len(found))
    per_word = sum(map(syllables, spoken)) / max(1, len(spoken))
    return round(206.835 - 1.015 * per_sentence - 84.6 * per_word, 1)


def _readability(ease: float) -> Signal:
    distance = max(0.0, 30 - ease, ease - 70)
    finding = f"reading ease {ease:.0f}; from 30 to 70 it costs no points"
    return Signal("readability", finding, 15 * max(0, 1 - distance / 40), 15)


def _variety(found: Sequence[str]) -> Signal:
    """Score the share of different words: a mean over windows, since it falls with length."""
    starts = range(0, max(1, len(found) - WINDOW // 2), WINDOW)
    windows = [found[start : start + WINDOW] for start in starts]
    share = sum(len(set(window)) / len(window) for window in windows) / len(windows)
    finding = f"{share:.0%} different words among {WINDOW} in a row"
    return Signal("variety", finding, 10 * min(1, max(0, (share - 0.4) / 0.3)), 10)


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))
