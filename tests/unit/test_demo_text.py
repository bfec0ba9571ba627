"""The demo's text processing: honest results from good texts, and sensible ones from bad texts."""

import codecs
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from baton.demo import layout, signals, sources, text, words
from baton.demo.sources import Document, UnreadableSource

QUEUES = """\
A job queue keeps work that a program wants done later.  The job queue lives in a database,
e.g. PostgreSQL, so that no work is lost when a worker stops.  Dr. Smith measured the job queue
in 2019 and found that it moved 60,000 jobs per second (Smith 2019), cf. https://example.org/jobs.

WARRANTY
========

  * The worker claims a job before it runs the job, and a lease tells others that it lives.
  * Perhaps the lease runs out; then another worker may claim the job again.

    >>> queue.claim()

What happens to the dead worker?  It might come back late, and its answer is usually refused.
Every job has an epoch that grows with each claim, so that a late answer is told from a good one.
"""


def document(content: str, title: str = "queues.txt") -> Document:
    return Document(title=title, path=f"/texts/{title}", text=content)


def everything(*documents: Document) -> str:
    """Run all analyses on documents, check that they are JSON, and return the brief."""
    results = text.summarize(documents), text.keywords(documents), signals.credibility(documents)
    summary, found, score = json.loads(json.dumps(results, allow_nan=False))
    return layout.brief("a topic", summary, found, score)


# Reading


def test_a_file_is_read_with_its_name_as_title(tmp_path: Path) -> None:
    path = tmp_path / "essay.txt"
    path.write_text("Grüße aus Köln.\n", encoding="utf-8")
    assert sources.read(path) == {
        "title": "essay.txt",
        "path": str(path),
        "text": "Grüße aus Köln.\n",
    }


def test_bytes_that_are_not_utf_8_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("Grüße".encode("latin-1"))
    assert sources.read(path)["text"] == "Gr\ufffd\ufffde"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_believed(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "marked.txt"
    path.write_bytes("déjà vu".encode(encoding))
    assert sources.read(path)["text"] == "déjà vu"


def test_what_a_terminal_would_obey_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "evil.txt"
    path.write_bytes("one\x00two\x1b[31mred\x07\u202etrap\r\nnext\ttab\x85line".encode())
    assert sources.read(path)["text"] == "onetwo[31mredtrap\nnext\ttab\nline"


def test_a_file_over_the_limit_is_refused_with_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(b"x" * 1001)
    with pytest.raises(UnreadableSource, match=r"large\.txt: it is larger .* 1,000 bytes"):
        sources.read(path, limit=1000)
    assert len(sources.read(path, limit=1001)["text"]) == 1001


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in {
        tmp_path: "it is not a file",
        tmp_path / "pipe": "it is not a file",
        tmp_path / "missing": "No such file",
        Path("nul\x00byte"): "null",
    }.items():
        with pytest.raises(UnreadableSource, match=reason):
            sources.read(path)


def test_the_text_of_a_python_file_is_its_longer_strings(tmp_path: Path) -> None:
    essay = " ".join(["This essay is about queues and says so at length."] * 4)
    path = tmp_path / "module.py"
    path.write_text(
        f'"""{essay}"""\nESSAY = "Second. {essay}"\ndef run():\n    """Run."""\n    return "no"\n'
    )
    assert sources.read(path)["text"] == f"{essay}\n\nSecond. {essay}"


def test_a_python_file_without_long_strings_still_has_a_text(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""Do a thing."""\n')
    assert sources.read(path)["text"] == "Do a thing."
    path.write_text("x = 1\n")
    assert sources.read(path)["text"] == "x = 1\n"


@pytest.mark.parametrize("source", ["def (:\n", "(" * 5000, "-" * 100_000 + "1"])
def test_a_python_file_that_does_not_parse_is_read_as_it_is(tmp_path: Path, source: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(source)
    assert sources.read(path)["text"] == source


def test_escapes_inside_python_strings_are_made_harmless_too(tmp_path: Path) -> None:
    path = tmp_path / "escapes.py"
    path.write_text(r'"""A \x00 \x1b[2J \ud800 string."""')
    assert sources.read(path)["text"] == "A  [2J \ufffd string."


def test_there_are_default_texts_that_can_be_read() -> None:
    documents = [sources.read(path) for path in sources.default_paths()]
    assert len(documents) >= 3
    assert sum(len(words.words(one["text"])) for one in documents) > 1000


def test_without_a_standard_library_of_files_the_demo_reads_itself() -> None:
    script = (
        "import sysconfig; sysconfig.get_path = lambda name: '/nowhere'\n"
        "from baton.demo import sources\n"
        "print(all(sources.read(path)['text'] for path in sources.default_paths()))\n"
        "print('sources.py' in [path.name for path in sources.default_paths()])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["True", "True"]


# Sentences


def test_abbreviations_initials_and_numbers_do_not_end_a_sentence() -> None:
    text = (
        "Dr. Smith met J. Doe, e.g. in the U.S. Congress, at 3.5 p.m. on Monday. They left... "
        "and came back! Did they? Yes."
    )
    assert list(words.sentences(text)) == [
        "Dr. Smith met J. Doe, e.g. in the U.S. Congress, at 3.5 p.m. on Monday.",
        "They left... and came back!",
        "Did they?",
        "Yes.",
    ]


def test_bullets_headings_and_blocks_are_sentences_of_their_own() -> None:
    text = """\
# The heading
Title
=====
First line of
a paragraph.

 1. one thing
    in two lines
 2. another `thing`, 2**32 of *them*
    | a table row |
    >>> code()
```
fenced = code
```
"""
    assert list(words.sentences(text)) == [
        "The heading",
        "Title",
        "First line of a paragraph.",
        "one thing in two lines",
        "another thing, 2**32 of them",
    ]


def test_sentences_are_found_in_chinese() -> None:
    assert list(words.sentences("数据库保存任务。进程取出任务。")) == [
        "数据库保存任务。",
        "进程取出任务。",
    ]


def test_one_endless_line_is_handled_in_time() -> None:
    line = "the quick brown fox jumps over a lazy dog and " * 20_000
    brief = everything(document(line))
    assert max(map(len, brief.splitlines())) <= layout.WIDTH


@pytest.mark.parametrize("unit", [".", "a. ", "a_", "-", "*", "!", "1.", "(a ", '."', "AB ", "`"])
def test_no_input_takes_quadratic_time(unit: str) -> None:
    everything(document(unit * (200_000 // len(unit))))


# Summary


def test_the_summary_keeps_the_order_of_the_text_and_quotes_whole_sentences() -> None:
    found = text.summarize([document(QUEUES)], size=3)
    quoted = [sentence["text"] for sentence in found["sentences"]]
    places = [" ".join(QUEUES.split()).index(sentence) for sentence in quoted]
    assert len(quoted) == 3
    assert places == sorted(places)
    assert all(sentence.endswith((".", "?")) for sentence in quoted)
    assert found["texts"] == [{"title": "queues.txt", "words": len(words.words(QUEUES))}]


def test_the_summary_says_nothing_twice() -> None:
    twin = document(QUEUES, "copy.txt")
    found = text.summarize([document(QUEUES), twin], size=6)
    quoted = [sentence["text"] for sentence in found["sentences"]]
    assert len(quoted) == len(set(quoted))


def test_every_document_gets_a_word_in_the_summary() -> None:
    other = document("Whales sing songs that carry over hundreds of miles of ocean.", "whales.txt")
    found = text.summarize([document(QUEUES * 20), other], size=6)
    assert {sentence["document"] for sentence in found["sentences"]} == {"queues.txt", "whales.txt"}


def test_a_sentence_that_is_too_long_is_cut_at_a_word() -> None:
    (found,) = text.summarize([document("everlasting words " * 200)])["sentences"]
    assert len(found["text"]) <= text.SENTENCE_CHARACTERS + 2
    assert found["text"].endswith(("words …", "everlasting …"))


# Keywords


def test_phrases_rank_before_the_words_that_they_are_made_of() -> None:
    found = text.keywords(
        [document("The event loop is on. An event loop is a loop. Event loops are it.")]
    )
    first = found["keywords"][0]
    assert (first["phrase"], first["count"], first["documents"]) == ("event loop", 3, 1)
    assert "event" not in [keyword["phrase"] for keyword in found["keywords"]]


def test_singular_and_plural_are_counted_as_one() -> None:
    found = text.keywords([document("A job, the jobs, some jobs; one query, two queries.")])
    counts = {keyword["phrase"]: keyword["count"] for keyword in found["keywords"]}
    assert counts == {"jobs": 3, "query": 2}


def test_small_words_and_names_in_code_are_no_keywords() -> None:
    found = text.keywords([document("It is what it is: call_soon(x1) and so on, and call_soon.")])
    assert found["keywords"] == []


def test_keywords_of_other_languages_leave_out_their_small_words() -> None:
    german = "Die Warteschlange ist in der Datenbank und die Datenbank ist auf der Platte. " * 3
    phrases = [one["phrase"] for one in text.keywords([document(german)])["keywords"]]
    assert set(phrases) == {"warteschlange", "datenbank", "platte"}


# Credibility


def test_the_score_is_the_sum_of_its_signals() -> None:
    found = signals.credibility([document(QUEUES)])
    assert found["note"] is None
    assert found["score"] == pytest.approx(sum(s["points"] for s in found["signals"]), abs=1)
    assert sum(signal["out_of"] for signal in found["signals"]) == 100
    assert all(0 <= signal["points"] <= signal["out_of"] for signal in found["signals"])
    assert found["documents"][0] == {
        "title": "queues.txt",
        **{key: found[key] for key in ("score", "reading_ease", "words", "sentences")},
    }


def test_reading_ease_is_that_of_the_formula() -> None:
    sentence = "The cat sat on the mat and then the dog ran off. "
    found = signals.credibility([document(sentence * 5)])
    assert (found["words"], found["sentences"]) == (60, 5)
    assert found["reading_ease"] == pytest.approx(206.835 - 1.015 * 12 - 84.6, abs=0.05)


def test_sources_and_doubt_score_higher_than_noise_and_certainty() -> None:
    plain = " ".join(["The worker takes the job from the queue and runs it."] * 10)
    careful = f"{plain} It may fail (Smith 2019), see https://example.org and RFC 2119 [1]. " * 2
    loud = f"{plain} EVERYBODY MUST OBEY THIS! It is always, absolutely, totally true!!! " * 2
    scores = [signals.credibility([document(one)])["score"] for one in (careful, plain, loud)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3


def test_indexing_and_comparing_are_neither_citations_nor_exclamations() -> None:
    code = "The heap is a list and a[0] is the least of it; a[1] != a[2] is what we see in it. " * 5
    found = {s["name"]: s["finding"] for s in signals.credibility([document(code)])["signals"]}
    assert found["references"].startswith("0 links")
    assert found["calm"].startswith("0 exclamations, 0 words")


def test_texts_that_are_short_or_not_english_get_a_note_instead_of_a_score() -> None:
    german = "Die Datenbank merkt sich, welche Arbeit schon erledigt wurde und welche nicht. " * 9
    for content, note in {"Hello.": "fewer than 50 words", german: "not look like English"}.items():
        found = signals.credibility([document(content)])
        assert (found["score"], found["reading_ease"], found["signals"]) == (None, None, [])
        assert note in found["note"]


# The brief


def test_the_brief_joins_everything_within_80_columns() -> None:
    brief = everything(document(QUEUES), document("x" * 5000, "long" * 30), document("", "empty"))
    assert max(map(len, brief.splitlines())) <= layout.WIDTH
    for part in ("Research brief: a topic", "Summary", "Keywords", "Credibility", "queues.txt"):
        assert part in brief


def test_the_brief_names_what_was_not_read() -> None:
    documents = [document(QUEUES)]
    brief = layout.brief(
        "queues",
        text.summarize(documents),
        text.keywords(documents),
        signals.credibility(documents),
        skipped=[{"path": "/gone", "reason": "can't read /gone: No such file or directory"}],
    )
    assert "not read: can't read /gone: No such file or directory\n" in brief


@pytest.mark.parametrize(
    "documents",
    [[], [document("")], [document(" \n\t\n")], [document(""), document("", "other")]],
    ids=["no documents", "an empty one", "a blank one", "two empty ones"],
)
def test_nothing_gives_a_brief_that_says_so(documents: list[Document]) -> None:
    brief = everything(*documents)
    assert "There is nothing to summarize." in brief
    assert "There are no words to rank." in brief
    assert "No score" in brief


def test_a_binary_file_gives_a_brief_without_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "image.bin"
    path.write_bytes(codecs.BOM_UTF8 + bytes(range(256)) * 400)
    brief = everything(sources.read(path))
    assert brief.replace("\n", "").isprintable()
