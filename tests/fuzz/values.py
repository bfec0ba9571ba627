"""What programs and people may hand over: everything, with what hurts first."""

from datetime import UTC
from typing import Any

from hypothesis import strategies as st

ODD_TEXTS = (
    *("", " ", "\x00", "a\x00b", "\ud800", "x\udfff", "\ufeff", "\u202e", "\U0001f600", "\n", "\t"),
    *("'; drop table baton.jobs; --", '"', "\\", "%s", "{}", "${x}", "$param", "null", "-", "--"),
    *("nan", "1e999", "-1", "99999999999999999999", "..", "/dev/null", "x" * 10_000, "default=20"),
)
ODD_NUMBERS = (
    *(0, -1, 1, 9, 10, 32_767, 32_768, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400),
    *(float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 1e308, 0.5, True, False),
)


class Strange:
    """An object that is nothing in particular."""

    def __repr__(self) -> str:
        return "a strange object"


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


texts = st.sampled_from(ODD_TEXTS) | st.text(max_size=30)
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.sampled_from(ODD_NUMBERS),
    texts,
    st.integers(),
    st.floats(),
    st.binary(max_size=9),
)
odd: st.SearchStrategy[Any] = st.one_of(
    st.builds(Strange),
    st.sampled_from([nested(199), nested(300), {1: 2}, {None: 1}, {(1, 2): 3}]),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.sets(st.integers(), max_size=2),
)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars | odd,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
mappings: st.SearchStrategy[Any] = st.dictionaries(texts, anything, max_size=4)
