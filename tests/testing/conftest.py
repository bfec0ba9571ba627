"""What tests of the testing module share."""

from collections.abc import Iterator

import pytest

import baton.testing
from baton import Registry


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry of the test's own, which ``worker`` and everything else uses."""
    with Registry().collecting() as registry:
        yield registry


@pytest.fixture
def manual(database: str) -> Iterator[str]:
    """A database that the default client and the functions of the testing module use."""
    with baton.testing.manual(database):
        yield database
