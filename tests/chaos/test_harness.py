"""The harness itself, for as long as it takes to see that it works; and that it replays."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.__main__ import main, parser, replay
from tests.chaos.checkers import CHECKERS
from tests.chaos.faults import KINDS, chosen
from tests.chaos.figures import LEAST, SLOWEST, regressions, spread
from tests.chaos.generator import Generator
from tests.chaos.proxy import Link, Messages
from tests.chaos.run import run
from tests.chaos.stage import Options
from tests.wire import closed


@pytest.mark.timeout(900)  # on a busy machine the processes alone take a minute to start
def test_a_short_run_finds_nothing_and_leaves_nothing_behind() -> None:
    kinds, missing = chosen("kill,freeze,lost_reply,cut,backends,immediate")
    assert missing == {}
    options = Options(seed=5, seconds=8, kinds=kinds, workers=2, rate=20, pause=1, patience=300)
    said: list[str] = []
    outcome = asyncio.run(run(options, said.append))
    assert {name: lines for name, lines in outcome.violations.items() if lines} == {}
    assert outcome.violations.keys() == CHECKERS.keys()
    assert outcome.figures["jobs"] > 0
    assert outcome.figures["faults"]
    assert outcome.place is None
    place = said[0].removeprefix("in ").partition(":")[0]
    assert not os.path.exists(place)  # noqa: PTH110


def test_the_same_seed_asks_for_the_same_work() -> None:
    def asked(seed: int) -> list[object]:
        generator = Generator(seed)
        flows = [generator.workflow() for _ in range(20)]
        return [
            [generator.job() for _ in range(50)],
            [(flow.name, flow.workflow_id, flow.validate()) for flow in flows],
        ]

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


def test_an_unknown_fault_is_named() -> None:
    assert main(["--faults", "earthquake"]) == 2


def test_what_needs_root_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    kinds, missing = chosen("all")
    assert {"disk_full", "unplug", "vanish"} == set(missing)
    assert all("root" in reason for reason in missing.values())
    assert {kind.name for kind in kinds} == set(KINDS) - set(missing)
    assert {kind.name for kind in chosen("rootless")[0]} == set(KINDS) - set(missing)


def test_a_red_run_says_how_to_make_it_again() -> None:
    given = parser().parse_args(["--minutes", "2", "--faults", "kill", "--workers", "3"])
    again = parser().parse_args(replay(given, 9).split()[3:])
    assert (again.seed, again.minutes, again.faults, again.workers) == (9, 2, "kill", 3)


@pytest.mark.parametrize(
    "words",
    [
        ["--minutes", "-1"],
        ["--minutes", "nan"],
        ["--minutes", "inf"],
        ["--workers", "0"],
        ["--workers", "2.5"],
        ["--rate", "0"],
        ["--pause", "-1"],
        ["--patience", "soon"],
    ],
)
def test_a_run_of_nothing_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert f"above 0, not {words[1]}" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_leaves_nothing_behind(number: signal.Signals) -> None:
    words = [sys.executable, "-u", "-m", "tests.chaos", "--faults", "kill", "--workers", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        place = next(line for line in run.stdout if line.startswith("in "))
        place = place.removeprefix("in ").partition(":")[0]
        assert Path(place).is_dir()
        run.send_signal(number)
        run.communicate(timeout=200)
    assert run.returncode in {128 + signal.SIGTERM, -signal.SIGINT}
    assert not Path(place).exists()
    assert (
        place
        not in subprocess.run(
            ["ps", "-eo", "args"], capture_output=True, text=True, check=True
        ).stdout
    )


def startup(text: bytes = b"user\0postgres\0\0") -> bytes:
    return struct.pack("!ii", len(text) + 8, 196608) + text


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_the_proxy_knows_a_commit_however_it_is_cut_into_packets(cut: int) -> None:
    messages = Messages()
    parse = message(b"P", b"_pg3_0\0call baton.cycle(1)\0\0\0")
    sent = startup() + message(b"Q", b"select 1\0") + parse
    parts = [sent[place : place + cut] for place in range(0, len(sent), cut)]
    assert [messages.commits(part) for part in parts] == [False] * len(parts)
    assert messages.commits(message(b"B", b"\0_pg3_0\0\0\0\0\0\0\0"))
    assert not messages.commits(message(b"B", b"\0other\0\0\0\0\0\0\0"))
    assert messages.commits(message(b"Q", b"COMMIT\0"))


class Echo:
    """A server that says everything again, in capitals, and a link to it."""

    def __init__(self) -> None:
        self.said = b""
        self._served: list[asyncio.Task[Any]] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.append(task)
        with suppress(OSError):
            while data := await reader.read(1000):
                self.said += data.upper()
                writer.write(data.upper())
                await writer.drain()
        await closed(writer)

    @asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        link = Link([server.sockets[0].getsockname()[1]])
        await link.start()
        try:
            yield link
        finally:
            await link.close()
            server.close()
            await asyncio.gather(*self._served)


def test_a_lost_reply_was_sent_and_never_comes() -> None:
    async def main() -> None:
        async with Echo().link() as link:
            reader, writer = await asyncio.open_connection("127.0.0.1", link.ports[0])
            writer.write(startup())
            assert await reader.read(1000) == startup().upper()
            link.lose_replies(1)
            writer.write(message(b"Q", b"COMMIT\0"))
            with suppress(ConnectionResetError):
                assert await reader.read(1000) == b""
            assert link.lost == 1
            await closed(writer)

    asyncio.run(main())


def test_a_held_link_forwards_nothing_until_it_is_let_go() -> None:
    async def main() -> None:
        async with Echo().link() as link:
            reader, writer = await asyncio.open_connection("127.0.0.1", link.ports[0])
            link.hold(on=True)
            writer.write(startup())
            waiting = asyncio.create_task(reader.read(1000))
            assert not (await asyncio.wait([waiting], timeout=0.05))[0]
            link.hold(on=False)
            assert await waiting == startup().upper()
            await closed(writer)

    asyncio.run(main())


def test_a_link_is_held_from_a_number_on_and_what_was_sent_arrives_after_its_sender_has_gone() -> (
    None
):
    async def main() -> None:
        echo = Echo()
        async with echo.link() as link:
            reader, writer = await asyncio.open_connection("127.0.0.1", link.ports[0])
            reached = link.hold_at(17)
            for words in (startup(), message(b"B", b"\0\0{117,171}")):
                writer.write(words)
                assert await reader.read(1000) == words.upper()
            assert not reached.is_set()
            last = message(b"B", b"\0\0{3,17}")
            writer.write(last)
            await reached.wait()
            await closed(writer)
            assert last.upper() not in echo.said
            link.hold(on=False)
            while last.upper() not in echo.said:
                await asyncio.sleep(0.001)

    asyncio.run(main())


@pytest.mark.parametrize("name", SLOWEST)
def test_half_of_the_times_far_beyond_a_target_turn_a_run_red(name: str) -> None:
    late = SLOWEST[name] + 1
    assert regressions({name: spread([0.5, late, late])})[0].startswith(f"{name}: half of 3")
    # one of a machine that was busy, or too few to say something
    assert regressions({name: spread([0.5, 0.5, late * 9])}) == []
    assert regressions({name: spread([late, late])}) == []
    assert regressions({name: None}) == []


def test_throughput_that_does_not_come_back_turns_a_run_red() -> None:
    def found(n: int, ratio: float) -> list[str]:
        return regressions({"throughput_after_to_before": {"n": n, "ratio": ratio}})

    assert found(5, LEAST - 0.1) == [
        "throughput_after_to_before: 0.1 after 5 faults, and 0.2 is the least"
    ]
    assert found(5, LEAST) == found(4, 0.0) == []
