"""The default clients, where several worker processes run in one program."""

from typing import Any

import pytest

from baton.ambient import Ambient


def test_blocks_that_end_in_any_order_leave_no_client_of_theirs_behind() -> None:
    ambient = Ambient()
    names: Any = ["default", "first", "second"]
    default, first, second = names
    ambient.use(default, default)
    one, two = ambient.using(first, first), ambient.using(second, second)
    one.__enter__()
    two.__enter__()
    assert ambient.client == second
    one.__exit__(None, None, None)
    assert ambient.sync_client == second
    two.__exit__(None, None, None)
    assert ambient.client == default


def test_without_any_client_it_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="import baton first"):
        _ = Ambient().client
