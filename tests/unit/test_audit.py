"""The audit of dependencies: a finding fails, a network that is away does not."""

import json

import pytest

from tests import audit

FINE = {"name": "psycopg", "version": "3.3", "vulns": []}
SKIPPED = {"name": "anyio", "skip_reason": "not found"}
BAD = {
    "name": "jinja2",
    "version": "1.0",
    "vulns": [{"id": "CVE-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}],
}


def away() -> str:
    raise OSError("Failed to resolve 'pypi.org'")


@pytest.mark.parametrize(
    ("packages", "strict", "code", "said"),
    [
        ([FINE], False, 0, "audited 1 of 1 packages"),
        ([FINE, BAD], False, 1, "VULNERABLE: jinja2 1.0: CVE-2026-1, fixed in 1.1"),
        ([SKIPPED, BAD], False, 1, "VULNERABLE"),
        ([FINE, SKIPPED], False, 0, "NOT AUDITED, no answer about them: anyio"),
        ([FINE, SKIPPED], True, 1, "audited 1 of 2 packages"),
        (None, False, 0, "NOT AUDITED: the advisories can't be reached (Failed to resolve"),
        (None, True, 1, "NOT AUDITED"),
    ],
)
def test_only_a_finding_fails_unless_it_is_strict(
    capsys: pytest.CaptureFixture[str],
    packages: list[object] | None,
    strict: bool,
    code: int,
    said: str,
) -> None:
    ask = away if packages is None else lambda: json.dumps({"dependencies": packages})
    assert audit.main(["--strict"] if strict else [], ask) == code
    assert said in capsys.readouterr().out
