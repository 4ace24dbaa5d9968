"""Names with escape sequences, markup and formulas are shown as they are, and obeyed by nothing."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cli_helpers import Cli, on_terminal
from hostile_helpers import NASTY, Trained, write_tiny

from ffcli.cli.app import main
from ffcli.runs.store import CONFIG, SUMMARY, RunStore
from ffcli.services.sweeps.local import write_table
from ffcli.sweeping.study import study
from ffcli.training.context import Context
from ffcli.util.atomic_files import cell

# What a terminal may be told: colours, moving about, hiding the cursor, erasing. No titles, and nothing else.
_OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PAYLOAD = ("\x1b]0;owned", "\x1b[31mred", "\x07", "\u202e")


def spoil(copied: Trained) -> None:
    """Put the payload wherever a record holds a text."""
    path = copied.folder / "runs" / copied.finished / SUMMARY
    record = json.loads(path.read_text())
    record |= {"name": NASTY, "tags": [NASTY], "error": NASTY, "dataset": f"{NASTY}.npz", "started": NASTY}
    record["config"][NASTY] = NASTY
    record["config"]["activation"] = NASTY
    record["wandb"] = {"mode": NASTY, "url": NASTY}
    path.write_text(json.dumps(record))


COMMANDS = [
    ["runs", "list"],
    ["runs", "list", "--json"],
    ["runs", "list", "--tag", NASTY],
    ["runs", "show", "FINISHED"],
    ["runs", "show", NASTY],
    ["runs", "compare", "FINISHED", "INTERRUPTED", "-o", "c.png"],
    ["runs", "rm", NASTY, "--yes"],
    ["evaluate", "FINISHED"],
    ["evaluate", NASTY],
    ["confusion", "FINISHED", "-o", "c.png"],
    ["confusion", "--best", "-d", f"{NASTY}.npz"],
    ["predict", "1", "--run", "FINISHED"],
    ["predict", "--image", NASTY, "--run", "INTERRUPTED"],
    ["predict", NASTY],
    ["train", "--resume", "FINISHED", "-e", "9"],
    ["train", "--dataset", NASTY],
    ["train", "--optimizer", NASTY],
    ["train", "--config", NASTY],
    ["train", f"--{NASTY}"],
    ["train", "-d", "tiny.npz", "-e", "1", "-sz", "3", "--name", NASTY, "--tag", NASTY],
    ["sweep", NASTY],
    ["sweep", "s.yaml", "--storage", NASTY],
    ["sweeps", "show", NASTY],
    ["report", NASTY],
    ["report", NASTY, "-o", f"{NASTY}/x"],
    ["download", NASTY],
    ["download", "--from", NASTY],
    ["download", "--source", NASTY],
    ["sync", NASTY],
    [NASTY],
    ["visualize", "-d", "tiny.npz", "-o", f"{NASTY}.png"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words)[:30].replace("\x1b", ""))
def test_nothing_is_obeyed(copied: Trained, cli: Cli, command: list[str]) -> None:
    spoil(copied)
    ids = {"FINISHED": copied.finished, "INTERRUPTED": copied.interrupted}
    done = cli(*(ids.get(word, word) for word in command))
    shown = done.out + done.err
    assert not any(part in shown for part in _PAYLOAD)
    if "--json" not in command and "[bold]" in shown:
        assert "[bold]b[/bold]" in shown, "markup is text here"


@pytest.mark.parametrize(
    "command",
    [["runs", "list"], ["runs", "show", "FINISHED"], ["train", "--dataset", NASTY], ["sweep", NASTY]],
)
def test_nor_on_a_terminal(copied: Trained, command: list[str]) -> None:
    spoil(copied)
    words = [copied.finished if word == "FINISHED" else word for word in command]
    _, seen = on_terminal(copied.folder, *words)
    rest = _OURS.sub("", seen.replace("\r", ""))
    assert not any(part in seen for part in _PAYLOAD)
    assert "\x1b" not in rest
    if command != ["runs", "list"]:  # in which it is cut short
        assert "\\x1b" in rest, "it is there, as text"


def test_a_training_on_a_terminal_shows_a_name_as_it_is(copied: Trained) -> None:
    small = ["-d", "tiny.npz", "-e", "1", "-sz", "3", "--name", NASTY, "--tag", NASTY]
    code, seen = on_terminal(copied.folder, "train", *small)
    assert code == 0
    assert not any(part in seen for part in _PAYLOAD)


def test_a_dataset_may_have_any_name(copied: Trained, cli: Cli) -> None:
    """Bytes that are no text, a line break and an escape in the name of a file, from training to report."""
    name = b"\xff\x1b[31m\n=1.npz".decode("utf-8", "surrogateescape")
    write_tiny(copied.folder / name)
    done = cli("train", "-d", name, "-e", 1, "-sz", 3, "--json")
    assert done.code == 0, done.err
    run_id = json.loads(done.out)["run_id"]
    assert cli("runs", "show", run_id).code == 0
    assert cli("train", "--config", Path("runs") / run_id / CONFIG, "--dry-run").code == 0
    assert cli("train", "--resume", run_id, "-e", 2).code == 0
    (copied.folder / "n.yaml").write_text(
        "method: grid\nmetric: {name: val_acc}\n"
        "parameters:\n  epochs: {value: 1}\n  hidden_size: {value: 3}\n"
        f"  dataset: {{values: [tiny.npz, {json.dumps(name)}]}}\n"
    )
    assert cli("sweep", "n.yaml", "--backend", "local", "--workers", 1).code in (0, 2)


def test_an_unexpected_error_is_shown_harmlessly_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"{NASTY} postgresql://u:S3CRET@h/d")

    monkeypatch.setattr(RunStore, "records", fail)
    assert main(["runs", "list", "--verbose"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "unexpected RuntimeError: \\x1b[31mred" in said
    assert not any(part in said for part in (*_PAYLOAD, "S3CRET"))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_formula_is_a_text_in_a_cell(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1, -0.5, 1e-9, None, "adam", "128,64", ""])
def test_numbers_and_words_stay_as_they_are_in_a_cell(value: object) -> None:
    assert cell(value) == value


def test_the_table_of_a_sweep_holds_no_formula(copied: Trained) -> None:
    found = study.read(copied.study.parent)
    evil = [replace(trial, error='=HYPERLINK("http://evil")', value=-0.5) for trial in found.trials]
    write_table(Context(copied.folder / "data", copied.folder / "runs"), found.sweep, evil)
    table = copied.folder / "runs" / "sweeps" / copied.sweep_id / "runs.csv"
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert {row["error"] for row in rows} == {'\'=HYPERLINK("http://evil")'}
    assert {row["value"] for row in rows} == {"-0.5"}
