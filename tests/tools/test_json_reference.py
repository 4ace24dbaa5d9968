"""docs/json.md is what the services return now."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import pytest

from ffcli.services.evaluation.results import Evaluation
from tools import json_reference

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["json_reference", "--check"])
    assert json_reference.main() == 0


def test_a_stale_page_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "json.md"
    page.write_text(json_reference.reference().replace("accuracy", "precision"), "utf-8")
    monkeypatch.setattr(json_reference, "PAGE", page)
    for arguments, code in ((["--check"], 1), ([], 0), (["--check"], 0)):
        monkeypatch.setattr(sys, "argv", ["json_reference", *arguments])
        assert json_reference.main() == code


def test_every_key_of_a_result_has_a_row() -> None:
    section = json_reference.reference().split("\n## Evaluation\n")[1].split("\n## ")[0]
    assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == [
        field.name for field in fields(Evaluation)
    ]


def test_ci_checks_the_page() -> None:
    assert "tools.json_reference --check" in (ROOT / ".ci" / "run").read_text("utf-8")
