"""Cron expressions: behaviour 44, and daylight saving as cronsim has it."""

from datetime import UTC, datetime, timedelta

import pytest

from baton.crontab import CATCH_UP_LIMIT, NICKNAMES, catch_up_limit, due, parse
from baton.errors import InvalidCron

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(expression: str, after: str, until: str, timezone: str = "UTC") -> list[str]:
    """The ticks in UTC, as text without the zone."""
    found = parse(expression, timezone).ticks(at(after), at(until))
    return [f"{tick:%Y-%m-%d %H:%M:%S}".removesuffix(":00") for tick in found]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/20 * * * *", ["2025-01-01 00:20", "2025-01-01 00:40", "2025-01-01 01:00"]),
        ("10-12 0 * * *", ["2025-01-01 00:10", "2025-01-01 00:11", "2025-01-01 00:12"]),
        ("1-10/4 0 * * *", ["2025-01-01 00:01", "2025-01-01 00:05", "2025-01-01 00:09"]),
        ("5,55 0 * * *", ["2025-01-01 00:05", "2025-01-01 00:55"]),
        ("30 0 * jan wed", ["2025-01-01 00:30"]),
        ("30 0 * JAN 3", ["2025-01-01 00:30"]),
        ("*/30 1 0 * * *", ["2025-01-01 00:01", "2025-01-01 00:01:30"]),
    ],
)
def test_44_steps_ranges_lists_names_and_seconds_tick_when_they_say(
    expression: str, expected: list[str]
) -> None:
    assert ticks(expression, "2025-01-01 00:00", "2025-01-01 01:00") == expected


@pytest.mark.parametrize("sunday", ["0", "7", "sun"])
def test_44_sunday_is_0_and_7(sunday: str) -> None:
    found = ticks(f"0 0 * * {sunday}", "2025-01-01 00:00", "2025-01-14 00:00")
    assert found == ["2025-01-05 00:00", "2025-01-12 00:00"]


@pytest.mark.parametrize(
    ("nickname", "expected"),
    [
        ("@hourly", "2025-01-01 01:00"),
        ("@daily", "2025-01-02 00:00"),
        ("@midnight", "2025-01-02 00:00"),
        ("@weekly", "2025-01-05 00:00"),
        ("@monthly", "2025-02-01 00:00"),
        ("@yearly", "2026-01-01 00:00"),
        (" @Annually ", "2026-01-01 00:00"),
    ],
)
def test_44_nicknames(nickname: str, expected: str) -> None:
    assert parse(nickname).next(at("2025-01-01 00:00")) == at(expected)
    assert nickname.strip().lower() in NICKNAMES


def test_44_reboot_has_no_times() -> None:
    reboot = parse("@reboot")
    assert reboot.is_reboot
    assert reboot.next(at("2025-01-01 00:00")) is None
    assert not parse("@daily").is_reboot


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("61 * * * *", "its minute can't be '61'; it takes 0 to 59"),
        ("* 24 * * *", "its hour can't be '24'"),
        ("* * 0 * *", "its day-of-month can't be '0'"),
        ("0 0 30 2 *", "its day-of-month can't be '30'"),
        ("* * * foo *", "its month can't be 'foo'; it takes 1 to 12 or JAN to DEC"),
        ("* * * * 8", "its day-of-week can't be '8'"),
        ("60 * * * * *", "its second can't be '60'"),
        ("*/0 * * * *", "its minute can't be '*/0'"),
        ("5-1 * * * *", "its minute can't be '5-1'"),
        ("* * * *", "it has 4 fields and needs five"),
        ("", "it has 0 fields and needs five"),
        ("* * * * * * *", "it has 7 fields and needs five"),
        ("@fortnightly", "the nicknames are @yearly"),
        ("0 0 */31 * mon#5", "no day ever fits it"),
        ("\0 * * * *", "its minute can't be"),
        ("1" * 600, "at most 500 characters"),
        ("9" * 490 + " * * * *", "its minute can't be"),
        (5, "must be a text, not 5"),
    ],
)
def test_44_bad_input_is_refused_with_a_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(InvalidCron) as refused:
        parse(expression)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "timezone",
    ["", "Nowhere/At_All", "Europe", "../etc/passwd", "/etc/passwd", "right/UTC", "a\0b", 5],
)
def test_an_unknown_time_zone_is_refused_with_a_sentence(timezone: str) -> None:
    with pytest.raises(InvalidCron, match="time zone"):
        parse("* * * * *", timezone)


def test_44_each_entry_is_read_in_its_own_time_zone() -> None:
    assert ticks("0 9 * * *", "2025-01-01 00:00", "2025-01-02 00:00", BERLIN) == [
        "2025-01-01 08:00"
    ]
    assert ticks("0 9 * * *", "2025-07-01 00:00", "2025-07-02 00:00", BERLIN) == [
        "2025-07-01 07:00"
    ]
    found = ticks("0 9 * * *", "2025-01-01 00:00", "2025-01-02 00:00", "Asia/Kathmandu")
    assert found == ["2025-01-01 03:15"]


def test_in_spring_a_time_that_is_left_out_ticks_right_after_the_gap() -> None:
    # on 2025-03-30 in Berlin, 02:00 CET (01:00 UTC) is followed by 03:00 CEST
    found = ticks("30 2 * * *", "2025-03-29 00:00", "2025-03-31 12:00", BERLIN)
    assert found == ["2025-03-29 01:30", "2025-03-30 01:00", "2025-03-31 00:30"]


def test_in_spring_two_times_of_the_gap_tick_once() -> None:
    found = ticks("15,45 2 * * *", "2025-03-30 00:00", "2025-03-30 12:00", BERLIN)
    assert found == ["2025-03-30 01:00"]


def test_in_spring_steps_go_on_by_elapsed_time() -> None:
    found = ticks("*/30 * * * *", "2025-03-30 00:00", "2025-03-30 02:00", BERLIN)
    assert [tick[-5:] for tick in found] == ["00:30", "01:00", "01:30", "02:00"]


def test_in_autumn_a_time_that_comes_twice_ticks_the_first_time() -> None:
    # on 2025-10-26 in Berlin, 03:00 CEST (01:00 UTC) is followed by 02:00 CET
    found = ticks("30 2 * * *", "2025-10-25 00:00", "2025-10-27 12:00", BERLIN)
    assert found == ["2025-10-25 00:30", "2025-10-26 00:30", "2025-10-27 01:30"]


def test_in_autumn_nothing_ticks_twice_though_one_starts_between() -> None:
    """cronsim, started in the second of the two hours, begins in the first."""
    found = ticks("30 2 * * *", "2025-10-26 01:15", "2025-10-27 12:00", BERLIN)
    assert found == ["2025-10-27 01:30"]


def test_in_autumn_steps_go_on_by_elapsed_time() -> None:
    found = ticks("*/30 * * * *", "2025-10-26 00:00", "2025-10-26 02:00", BERLIN)
    assert [tick[-5:] for tick in found] == ["00:30", "01:00", "01:30", "02:00"]


@pytest.mark.parametrize(
    "expression", ["*/7 * * * *", "30 2 * * *", "15,45 1-3 * * *", "0 */3 * * *", "10 * * * * *"]
)
@pytest.mark.parametrize("change", ["2025-03-30 00:17", "2025-10-26 00:17"])
def test_where_one_starts_changes_nothing_around_a_change_of_time(
    expression: str, change: str
) -> None:
    times = parse(expression, BERLIN)
    first, end = at(change) - timedelta(hours=5), at(change) + timedelta(hours=30)
    whole = list(times.ticks(first, end))
    assert whole == sorted(set(whole))
    for minutes in range(0, 600, 13):
        start = first + timedelta(minutes=minutes)
        assert list(times.ticks(start, end)) == [tick for tick in whole if tick > start]


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
@pytest.mark.parametrize("expression", ["*/5 * * * *", "30 2 * * *", "0 0 1 * *", "0 0 29 2 *"])
def test_the_newest_ticks_are_the_last_of_all(expression: str, count: int) -> None:
    times = parse(expression, BERLIN)
    after, until = at("2024-01-15 10:00"), at("2025-11-01 12:34")
    assert times.newest(after, until, count) == list(times.ticks(after, until))[-count:]


def test_the_newest_of_decades_of_ticks_is_found_without_going_through_them() -> None:
    found = parse("* * * * * *").newest(at("1990-01-01"), at("2025-01-01"), 2)
    assert found == [at("2024-12-31 23:59:59"), at("2025-01-01")]


def test_an_entry_that_has_no_more_ticks_ends() -> None:
    assert parse("@yearly").next(datetime(9999, 6, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        (0, []),
        (1, ["12:00"]),
        (3, ["11:50", "11:55", "12:00"]),
    ],
)
def test_missed_ticks_are_made_up_for_as_the_entry_says(catch_up: int, expected: list[str]) -> None:
    found = due(parse("*/5 * * * *"), at("2025-01-01 09:00"), at("2025-01-01 12:02"), catch_up)
    assert [f"{tick:%H:%M}" for tick in found] == expected


@pytest.mark.parametrize(("catch_up", "expected"), [(0, 1), (1, 1), (2, 2)])
def test_a_tick_of_the_last_minute_is_on_time_whatever_the_entry_says(
    catch_up: int, expected: int
) -> None:
    found = due(parse("*/5 * * * *"), at("2025-01-01 09:00"), at("2025-01-01 12:00:30"), catch_up)
    assert len(found) == expected
    assert found[-1] == at("2025-01-01 12:00")


def test_a_tick_is_never_due_again() -> None:
    last = at("2025-01-01 12:00")
    assert due(parse("*/5 * * * *"), last, at("2025-01-01 12:00:30"), 5) == []
    assert due(parse("*/5 * * * *"), last, at("2025-01-01 11:59:30"), 5) == []


def test_catch_up_is_none_latest_or_a_number() -> None:
    assert [catch_up_limit(given) for given in ("none", "latest", 0, 7)] == [0, 1, 0, 7]
    for wrong in ("all", -1, CATCH_UP_LIMIT + 1, True, 1.5, None):
        with pytest.raises(InvalidCron, match="catch_up must be none, latest, or a number"):
            catch_up_limit(wrong)  # type: ignore[arg-type]
