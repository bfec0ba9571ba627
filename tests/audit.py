"""``python -m tests.audit``: known vulnerabilities of what this environment has installed.

A finding fails. Where the database of advisories can't be reached nothing is known, which is said
and does not fail, unless with ``--strict``: a machine without a network can still build.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

LONGEST = 180  # seconds
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--format", "json"),
    *("--progress-spinner", "off", "--timeout", "10"),
)


def asked() -> str:
    """Run pip-audit and return its report.

    Raises:
        OSError: it has none; the reason is its last line.
    """
    try:
        ended = subprocess.run(
            COMMAND, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"no answer within {LONGEST} s") from None
    if not ended.stdout.strip():
        lines = ended.stderr.strip().splitlines() or ["pip-audit said nothing"]
        raise OSError(lines[-1])
    return ended.stdout


def findings(report: dict[str, Any]) -> list[str]:
    """Return what is known to be vulnerable, a line each."""
    return [
        f"{each['name']} {each['version']}: {known['id']}, fixed in "
        f"{', '.join(known['fix_versions']) or 'no version yet'}"
        for each in report["dependencies"]
        for known in each.get("vulns", ())
    ]


def main(words: Sequence[str] = (), ask: Callable[[], str] = asked) -> int:
    """Audit, say what was found, and return the exit code."""
    strict = "--strict" in words
    try:
        report = json.loads(ask())
    except (OSError, ValueError) as error:
        print(f"NOT AUDITED: the advisories can't be reached ({error})")
        return 1 if strict else 0
    packages = report["dependencies"]
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    found = findings(report)
    print(f"audited {len(packages) - len(unknown)} of {len(packages)} packages")
    if unknown:
        print(f"NOT AUDITED, no answer about them: {', '.join(unknown)}")
    for line in found:
        print(f"VULNERABLE: {line}")
    return 1 if found or (strict and unknown) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
