"""docs/cli.md is what the help says now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ffcli.cli.app import COMMANDS
from ffcli.config import FIELDS
from tools import cli_reference

ROOT = Path(__file__).parents[2]


def check() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.cli_reference", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_page_is_up_to_date() -> None:
    done = check()
    assert done.returncode == 0, done.stderr


def test_a_stale_page_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "cli.md"
    page.write_text(cli_reference.reference().replace("--epochs", "--rounds"), "utf-8")
    monkeypatch.setattr(cli_reference, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["cli_reference", "--check"])
    assert cli_reference.main() == 1
    monkeypatch.setattr(sys, "argv", ["cli_reference"])
    assert cli_reference.main() == 0
    monkeypatch.setattr(sys, "argv", ["cli_reference", "--check"])
    assert cli_reference.main() == 0


def test_the_page_knows_every_command_and_hyper_parameter() -> None:
    page = cli_reference.PAGE.read_text("utf-8")
    for name in COMMANDS:
        assert f"\n## ffnn {name}" in page
    for name in FIELDS:
        assert f"`--{name.replace('_', '-')}`" in page


def test_ci_checks_the_page() -> None:
    assert "tools.cli_reference --check" in (ROOT / ".ci" / "run").read_text("utf-8")
