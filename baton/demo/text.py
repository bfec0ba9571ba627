"""What documents say and what they are about: a summary and keywords.

Plain text processing with nothing learned from data. The functions take documents and return JSON.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from baton.demo.sources import Document
from baton.demo.words import (
    Token,
    carries_meaning,
    is_closed,
    is_english,
    sentences,
    stem,
    tokens,
    words,
)

LONGEST_PHRASE = 3
SENTENCE_WORDS = range(11, 41)
SENTENCE_CHARACTERS = 320
LEANING = frozenset(
    """
    also and but he however it note optional otherwise please return returns she so such that these
    they this
    """.split()  # noqa: SIM905
)
"""Words that begin a sentence which is hard to follow without the one before, or a mere remark."""

Phrase = tuple[str, ...]


def summarize(documents: Sequence[Document], *, size: int = 6) -> dict[str, Any]:
    """Choose the sentences that say most of what the documents say, in their order.

    The idea is SumBasic (Nenkova and Vanderwende, 2005): a sentence weighs what its content words
    weigh, by its length; a word weighs more the more often it is used and the fewer documents use
    it; and the words of a chosen sentence weigh half from then on. The start of a document weighs
    more than its end, and no document gives more than its share.

    Args:
        documents: the collection.
        size: how many sentences.

    Returns:
        ``sentences``: mappings of ``text`` and ``document`` (a title); ``chosen_from``: how many
        sentences there were; ``texts``: mappings of ``title`` and ``words``.
    """
    counted = [words(document["text"]) for document in documents]
    english = is_english(word for found in counted for word in found)
    everything = [
        _Sentence(number, position, sentence, english=english)
        for number, document in enumerate(documents)
        for position, sentence in enumerate(sentences(document["text"]))
    ]
    eligible = [one for one in everything if one.reads_alone] or everything
    share = -(-size * 2 // max(1, len(documents)))
    chosen = _choose(eligible, size, share)
    return {
        "sentences": [
            {"text": _shortened(one.text), "document": documents[one.document]["title"]}
            for one in sorted(chosen, key=lambda one: (one.document, one.position))
        ],
        "chosen_from": len(everything),
        "texts": [
            {"title": document["title"], "words": len(found)}
            for document, found in zip(documents, counted, strict=True)
        ],
    }


class _Sentence:
    """A sentence that may be chosen."""

    def __init__(self, document: int, position: int, text: str, *, english: bool) -> None:
        found = words(text)
        self.document = document
        self.position = position
        self.text = text
        self.stems = frozenset(stem(w) for w in found if carries_meaning(w, english=english))
        letters = sum(character.isalpha() or character.isspace() for character in text)
        self.reads_alone = (
            len(found) in SENTENCE_WORDS
            and len(text) <= SENTENCE_CHARACTERS
            and is_closed(text)
            and not text[0].islower()
            and found[0] not in LEANING
            and not text.split(maxsplit=1)[0].endswith(":")
            and letters >= 0.85 * len(text)
        )

    def weight(self, weights: Mapping[str, float]) -> float:
        said = sum(weights[stem] for stem in self.stems) / math.pow(len(self.stems), 0.7)
        return said * (1.0 + 1 / (1 + self.position / 5))


def _choose(eligible: Sequence[_Sentence], size: int, share: int) -> list[_Sentence]:
    weights = _weights(eligible)
    left = {one.text: one for one in eligible if one.stems}
    taken: Counter[int] = Counter()
    chosen: list[_Sentence] = []
    while left and len(chosen) < size:
        best = max(left.values(), key=lambda one: one.weight(weights))
        del left[best.text]
        if taken[best.document] >= share:
            continue
        taken[best.document] += 1
        chosen.append(best)
        for covered in best.stems:
            weights[covered] /= 2
    return chosen


def _weights(eligible: Sequence[_Sentence]) -> dict[str, float]:
    counts = Counter(stem for one in eligible for stem in one.stems)
    pairs = {(one.document, stem) for one in eligible for stem in one.stems}
    holders = Counter(stem for _, stem in pairs)
    total = len({one.document for one in eligible})
    return {stem: count * _rarity(holders[stem], total) for stem, count in counts.items()}


def _rarity(holders: int, total: int) -> float:
    """Return 1 for what all documents hold, more for what few do."""
    return math.sqrt(math.log2(1 + total / holders))


def _shortened(sentence: str) -> str:
    if len(sentence) <= SENTENCE_CHARACTERS:
        return sentence
    return f"{sentence[:SENTENCE_CHARACTERS].rsplit(' ', 1)[0]} …"


def keywords(documents: Sequence[Document], *, size: int = 12) -> dict[str, Any]:
    """Rank the words and phrases that the documents are about.

    Candidates are runs of up to three content words that no small word or punctuation parts. They
    are ranked by their C-value (Frantzi, Ananiadou and Mima, 2000): a phrase counts as often as it
    stands by itself, not inside a longer one, longer phrases weigh more, and so do those that fewer
    documents hold.

    Args:
        documents: the collection.
        size: how many.

    Returns:
        ``keywords``: mappings of ``phrase``, ``count``, ``documents`` (how many hold it) and
        ``score``; ``candidates``: how many phrases were compared.
    """
    texts = [list(tokens(document["text"])) for document in documents]
    english = is_english(token.word for text in texts for token in text)
    counts: Counter[Phrase] = Counter()
    holders: Counter[Phrase] = Counter()
    for text in texts:
        inside = Counter(_key(phrase) for phrase in _phrases(text, english=english))
        counts.update(inside)
        holders.update(inside.keys())
    values = {
        phrase: value * _rarity(holders[phrase], len(texts))
        for phrase, value in _c_values(counts).items()
    }
    ranked = _distinct(values, counts, size)
    shown = _surfaces(texts, {phrase for phrase, _ in ranked}, english=english)
    return {
        "keywords": [
            {
                "phrase": shown[phrase],
                "count": counts[phrase],
                "documents": holders[phrase],
                "score": round(score, 1),
            }
            for phrase, score in ranked
        ],
        "candidates": len(counts),
    }


def _phrases(text: Iterable[Token], *, english: bool) -> Iterator[Phrase]:
    run: list[str] = []
    for word, joined in text:
        if not joined:
            run = []
        if not carries_meaning(word, english=english):
            run = []
            continue
        run = [*run[1 - LONGEST_PHRASE :], word]
        for length in range(1, len(run) + 1):
            yield tuple(run[-length:])


def _key(phrase: Phrase) -> Phrase:
    return tuple(map(stem, phrase))


def _c_values(counts: Counter[Phrase]) -> dict[Phrase, float]:
    """Score the phrases that occur more than once; all of them when none does."""
    repeated = {phrase for phrase, count in counts.items() if count > 1} or set(counts)
    longer: dict[Phrase, list[int]] = {}
    for phrase in repeated:
        for part in {part for part in _parts(phrase) if part in repeated}:
            longer.setdefault(part, []).append(counts[phrase])
    values = {}
    for phrase in repeated:
        inside = longer.get(phrase, [0])
        alone = counts[phrase] - sum(inside) / len(inside)
        values[phrase] = math.pow(len(phrase), 1.5) * alone
    return values


def _parts(phrase: Phrase) -> Iterator[Phrase]:
    for length in range(1, len(phrase)):
        for start in range(len(phrase) - length + 1):
            yield phrase[start : start + length]


def _distinct(
    values: Mapping[Phrase, float], counts: Mapping[Phrase, int], size: int
) -> list[tuple[Phrase, float]]:
    """Return the best, without those that a better one already says."""
    chosen: dict[Phrase, float] = {}
    said: set[Phrase] = set()
    for phrase in sorted(values, key=lambda phrase: (-values[phrase], -counts[phrase], phrase)):
        if len(chosen) == size:
            break
        if phrase not in said:
            chosen[phrase] = values[phrase]
            said.update(_parts(phrase))
    return list(chosen.items())


def _surfaces(
    texts: Iterable[Sequence[Token]], wanted: set[Phrase], *, english: bool
) -> dict[Phrase, str]:
    """Return each phrase as it is written most often."""
    written: dict[Phrase, Counter[str]] = {phrase: Counter() for phrase in wanted}
    for text in texts:
        for phrase in _phrases(text, english=english):
            if (key := _key(phrase)) in written:
                written[key][" ".join(phrase)] += 1
    return {phrase: forms.most_common(1)[0][0] for phrase, forms in written.items()}
