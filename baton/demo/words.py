"""Words and sentences, found without a dictionary: what the demo's analyses count."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

LONGEST_WORD = 40
ENGLISH_SHARE = 0.2

STOP_WORDS = frozenset(
    """
    a about above after again against all almost already also although always am among an and
    another any anyone anything are aren't around as at away back be became because become been
    before being below between both but by came can can't cannot come could couldn't did didn't
    do does doesn't doing don't done down during each either else enough etc even ever every
    everything few first for from further get gets give given gives go goes going got had has
    have haven't having he her here hers herself him himself his how however i if in instead
    into is isn't it it's its itself just keep kept know known last least less let lets like
    made make makes making many may maybe me might more most much must my myself need needed
    needs neither never new next no none nor not nothing now of off often on once one ones only
    onto or other others otherwise our ours ourselves out over own per perhaps put quite rather
    really same say says see seem seems several shall she should shouldn't since so some
    something sometimes soon still such take taken takes than that that's the their theirs them
    themselves then there therefore these they thing things this those though three through thus
    to together too toward two under unless until up upon us use used useful uses using usually
    very via want wants was wasn't way ways we well went were weren't what whatever when
    whenever where whereas wherever whether which while who whole whom whose why will with
    within without won't would wouldn't yes yet you you're your yours yourself
    """.split()  # noqa: SIM905
)
_ABBREVIATIONS = frozenset(
    """
    al approx apr aug ca cf ch co corp dec dept dr e.g eg est etc feb fig figs gen gov i.e ie
    inc jan jr jul jun ltd mar mr mrs ms mt no nos nov oct op p pp prof ref refs rep rev sec sep
    sept sr st sub v viz vol vs
    """.split()  # noqa: SIM905
)

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")  # noqa: RUF001
_TOKEN = re.compile(r"[\w'’-]+")  # noqa: RUF001
_BULLET = re.compile(r"(?:[-*•‣◦+]|\(?\d{1,3}[.)]|\(?[a-z]\))\s+")
_HEADING = re.compile(r"#{1,6}\s+")
_CODE = (">>>", "...", "$ ", "|", "@", ":param", ":return", ":raise", "#!", "//", "--")
_FENCES = ("```", "~~~")
# The look-behind keeps a long run of dots from being tried again at each of its dots.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+\s++|[。！？]++[」』”’]*+\s*+")  # noqa: RUF001
_MARKUP = re.compile(
    r":(?!rfc:|pep:)(?:[a-z]{2,10}:){1,2}(?=`)|`+~?|(?<![\w*])\*{1,2}(?=\w)|(?<=\w)\*{1,2}(?![\w*])"
)
_CLOSED = re.compile(r"[.!?…。！？][\"'”’»)\]」』]*$")  # noqa: RUF001
_VOWELS = re.compile(r"[aeiouy]+")


class Token(NamedTuple):
    """A word in lower case; ``joined`` when nothing but a space parts it from the one before."""

    word: str
    joined: bool


def words(text: str) -> list[str]:
    """Return the words in lower case; numbers, names with underscores and monsters are none."""
    found = (match.group().lower() for match in _WORD.finditer(text))
    return [word for word in found if len(word) <= LONGEST_WORD]


def tokens(text: str) -> Iterator[Token]:
    """Return the words, knowing which stand side by side; what is no word parts its neighbours."""
    end = -1
    for match in _TOKEN.finditer(text):
        if not _WORD.fullmatch(match.group()) or len(match.group()) > LONGEST_WORD:
            end = -1
            continue
        between = text[end : match.start()] if end >= 0 else "|"
        yield Token(match.group().lower(), between.isspace())
        end = match.end()


def paragraphs(text: str) -> Iterator[str]:
    """Split a text into paragraphs, each on one line.

    Headings, list items and blocks that are indented more become paragraphs of their own; rules,
    prompts and table rows are dropped, as is inline markup.
    """
    held: list[str] = []
    margin = 0
    fenced = False
    for line in text.splitlines():
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        heading = _HEADING.match(stripped)
        bullet = heading or _BULLET.match(stripped)
        fenced ^= stripped.startswith(_FENCES)
        dropped = fenced or not _WORD.search(stripped) or stripped.startswith(_CODE + _FENCES)
        shifted = indent - margin >= 4 or (margin - indent >= 4 and len(held) > 1)  # noqa: PLR2004
        if held and (dropped or bullet or shifted):
            yield _join(held)
            held = []
        if dropped:
            continue
        if not held:
            margin = indent + (bullet.end() if bullet else 0)
        held.append(stripped[bullet.end() :] if bullet else stripped)
        if heading:
            yield _join(held)
            held = []
    if held:
        yield _join(held)


def sentences(text: str) -> Iterator[str]:
    """Split a text into sentences; a heading or a list item without a full stop counts as one."""
    for paragraph in paragraphs(text):
        start = 0
        for match in _END.finditer(paragraph):
            if _is_end(paragraph, start, match):
                yield paragraph[start : match.end()].strip()
                start = match.end()
        if rest := paragraph[start:].strip():
            yield rest


def is_closed(sentence: str) -> bool:
    """Tell whether a sentence ends like one."""
    return _CLOSED.search(sentence[-8:]) is not None


def is_english(found: Iterable[str]) -> bool:
    """Tell whether words look English: at least a fifth of them are its small words."""
    flags = [word in STOP_WORDS for word in found]
    return bool(flags) and sum(flags) / len(flags) >= ENGLISH_SHARE


def carries_meaning(word: str, *, english: bool) -> bool:
    """Tell a content word from a small one; in other Latin languages short ones are small."""
    if english:
        return len(word) > 2 and word not in STOP_WORDS  # noqa: PLR2004
    return len(word) > 4 or word > "\u024f"  # noqa: PLR2004


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return a word without the ``s`` of its plural, so that both are counted as one."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):  # noqa: PLR2004
        return word
    if word.endswith("ies") and len(word) > 4:  # noqa: PLR2004
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=65_536)
def syllables(word: str) -> int:
    """Estimate the syllables of an English word: its groups of vowels, but for a silent last e."""
    groups = len(_VOWELS.findall(word))
    silent = word.endswith("e") and not word.endswith(("le", "ee", "ie", "ye"))
    return max(1, groups - silent)


def _join(lines: list[str]) -> str:
    return _MARKUP.sub("", " ".join(" ".join(lines).split()))


def _is_end(paragraph: str, start: int, match: re.Match[str]) -> bool:
    following = paragraph[match.end() : match.end() + 3].lstrip("\"'“‘«([")  # noqa: RUF001
    if following[:1].islower():
        return False
    if not match.group().startswith(".") or match.group().startswith(".."):
        return True
    # only this far back, or a paragraph without an end would be searched again for each full stop
    nearest = max(start, match.start() - LONGEST_WORD)
    blank = paragraph.rfind(" ", nearest, match.start())
    before = paragraph[max(nearest, blank + 1) : match.start()].lstrip("\"'“‘«([")  # noqa: RUF001
    if before.isdigit() and blank < start:
        return False
    is_initial = len(before) == 1 and before.isalpha() and before != "I"
    return not is_initial and before.lower() not in _ABBREVIATIONS and not _is_dotted(before)


def _is_dotted(word: str) -> bool:
    """Tell whether a word is of the kind U.S or a.k.a."""
    return "." in word and all(len(part) == 1 for part in word.split("."))
