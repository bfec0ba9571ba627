"""A module that nothing registers: importing it leaves a mark, and so does calling it."""

import os
from pathlib import Path
from typing import Any

MARK = Path(os.environ["TRAP"])
MARK.touch()


def spring(*_: Any, **__: Any) -> None:
    MARK.touch()
