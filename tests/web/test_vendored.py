"""What others wrote is served as they published it, with its licence."""

import re
from hashlib import sha256
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "baton" / "web" / "static" / "vendor"


def test_every_file_of_others_has_its_checksum_and_licence() -> None:
    told = dict(re.findall(r"^\| `([\w.]+)` .*\| `([0-9a-f]{64})` \|$",
                           (VENDOR / "README.md").read_text(), re.MULTILINE))  # fmt: skip
    there = {path.name: sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*.js")}
    assert told == there
    assert len(there) == 2
    for path in ("LICENSE.htmx", "LICENSE.sse"):
        assert "Permission to use, copy, modify" in (VENDOR / path).read_text()
