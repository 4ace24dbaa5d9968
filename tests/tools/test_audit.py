"""The lock of the dependencies, and what is made of the answers of those who know vulnerabilities."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools import audit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
pytestmark = pytest.mark.skipif(not audit.LOCK.is_file(), reason="a source archive holds no lock")


def pins(python: str, system: str = "linux") -> dict[str, Version]:
    """Return the locked versions for a Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}
    found: dict[str, Version] = {}
    for line in audit.LOCK.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in found, f"{name} is locked twice for Python {python}"
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            found[name] = Version(pin.version)
    return found


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    found: list[Requirement] = []
    waiting = [*map(Requirement, project["dependencies"]), Requirement("ffnn[dev]")]
    while waiting:
        requirement = waiting.pop()
        if requirement.name == "ffnn":
            waiting += [Requirement(line) for extra in requirement.extras for line in extras[extra]]
        else:
            found.append(requirement)
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_what_the_project_asks_for(python: str) -> None:
    locked = pins(python)
    for requirement in wanted():
        version = locked[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, f"{requirement}: .ci/lock makes the lock anew"


def test_the_lock_names_no_registry() -> None:
    text = audit.LOCK.read_text("utf-8")
    assert "://" not in text
    assert "--" not in text.replace("--extra", "")


def test_every_version_is_asked_about_once() -> None:
    text = "# a comment\na==1 ; python_version < '3.11'\na==2 ; python_version >= '3.11'\nb==1\n\nb==1 ; x\n"
    found = audit.locked(text)
    assert found == ["a==1", "a==2", "b==1"]
    assert audit.rounds(found) == [["a==1", "b==1"], ["a==2"]]


def service(folder: Path, answers: dict[str, str]) -> list[str]:
    """Return the command of a program like pip-audit that gives one answer for each service.

    The services themselves are out of reach of a test; their answers are what pip-audit 2.10 prints.
    """
    program = folder / "pip_audit"
    program.write_text(
        f"#!{sys.executable}\nimport json, pathlib, sys\n"
        f"answer = {answers!r}[sys.argv[sys.argv.index('--vulnerability-service') + 1]]\n"
        "pins = pathlib.Path(sys.argv[sys.argv.index('--requirement') + 1]).read_text().split()\n"
        "if answer == 'crash':\n    sys.exit('Traceback: ConnectionError')\n"
        "def about(pin):\n"
        "    name, version = pin.split('==')\n"
        "    if answer == 'skip' or (answer == 'half' and name != 'a'):\n"
        "        return {'name': name, 'skip_reason': 'Dependency not found on PyPI'}\n"
        "    vulns = [{'id': 'PYSEC-1'}] if answer == 'bad' and name == 'a' else []\n"
        "    return {'name': name, 'version': version, 'vulns': vulns}\n"
        "print(json.dumps({'dependencies': [about(pin) for pin in pins]}))\n"
        "sys.exit(answer == 'bad')\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return [str(program)]


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        ("good crash", 0, "3 of 3 locked versions were looked up"),
        ("bad crash", 1, "VULNERABLE: a==1: PYSEC-1"),
        ("skip skip", 3, "NOT CHECKED: no service could be asked about 3 versions"),
        ("crash crash", 3, "0 of 3 locked versions were looked up"),
        ("skip good", 0, "3 of 3 locked versions were looked up"),
        ("crash bad", 1, "VULNERABLE: a==2: PYSEC-1"),
        ("half crash", 3, "NOT CHECKED: no service could be asked about 1 versions: b==1"),
    ],
)
def test_what_comes_of_the_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answers: str, code: int, said: str
) -> None:
    """``answers`` are those of the first service and of the second."""
    (tmp_path / "lock").write_text("a==1 ; x\na==2\nb==1\n")
    assert (
        audit.main(tmp_path / "lock", service(tmp_path, dict(zip(audit.SERVICES, answers.split())))) == code
    )
    assert said in capsys.readouterr().out


def test_an_accepted_vulnerability_needs_a_reason() -> None:
    assert all(reason.strip() for reason in audit.ACCEPTED.values())
    json.dumps(dict(audit.ACCEPTED))
