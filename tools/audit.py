"""Asks whether the locked dependencies have known vulnerabilities: ``python -m tools.audit``.

The versions are those of .ci/constraints.txt, for every Python and system. Exit code 0: all were looked up,
and none is vulnerable; 1: some is; 3: not all could be looked up, which is said in so many words.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOCK = Path(__file__).parents[1] / ".ci" / "constraints.txt"
SERVICES = ("pypi", "osv")  # each knows all; the second is asked for what the first does not answer
VULNERABLE, NOT_CHECKED = 1, 3

# What is known and accepted: the vulnerability's id, and why it does not matter here.
ACCEPTED: Mapping[str, str] = {}


@dataclass
class Findings:
    """What the services said of versions, each as ``name==version``."""

    checked: set[str] = field(default_factory=set)
    vulnerable: dict[str, list[str]] = field(default_factory=dict)


def locked(text: str) -> list[str]:
    """Return the versions of a lock, whatever the Python and system they are for."""
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in text.splitlines())
    return sorted({line for line in lines if line})


def rounds(pins: Iterable[str]) -> list[list[str]]:
    """Return the versions in lists of which none holds two of one package: pip-audit would refuse it."""
    lists: list[dict[str, str]] = []
    for pin in pins:
        name = pin.partition("==")[0]
        for each in lists:
            if name not in each:
                each[name] = pin
                break
        else:
            lists.append({name: pin})
    return [list(each.values()) for each in lists]


def ask(service: str, pins: Iterable[str], command: Iterable[str]) -> Findings:
    """Return what a service says; what it does not answer is not among it."""
    findings = Findings()
    for pinned in rounds(pins):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(pinned))
            file.flush()
            arguments = ["--requirement", file.name, "--no-deps", "--disable-pip", "--format", "json"]
            done = subprocess.run(
                [*command, "--vulnerability-service", service, "--progress-spinner", "off", *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                check=False,
            )
        try:
            packages = json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):  # it could not even begin
            continue
        for package in packages:
            if "skip_reason" in package:
                continue
            pin = f"{package['name']}=={package['version']}"
            findings.checked.add(pin)
            found = [each["id"] for each in package["vulns"] if each["id"] not in ACCEPTED]
            if found:
                findings.vulnerable[pin] = found
    return findings


def main(lock: Path = LOCK, command: Iterable[str] = (sys.executable, "-m", "pip_audit")) -> int:
    """Ask the services, say what they said, and return the exit code."""
    pins = locked(lock.read_text("utf-8"))
    left, vulnerable = set(pins), dict[str, list[str]]()
    for service in SERVICES:
        if left:
            findings = ask(service, sorted(left), command)
            left -= findings.checked
            vulnerable |= findings.vulnerable
    print(f"{len(pins) - len(left)} of {len(pins)} locked versions were looked up")
    for pin, found in sorted(vulnerable.items()):
        print(f"VULNERABLE: {pin}: {', '.join(found)}")
    if left:
        some = ", ".join(sorted(left)[:3])
        print(f"NOT CHECKED: no service could be asked about {len(left)} versions: {some} …")
    return VULNERABLE if vulnerable else NOT_CHECKED if left else 0


if __name__ == "__main__":
    sys.exit(main())
