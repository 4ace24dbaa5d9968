"""``ffnn evaluate --tta`` and ``--ensemble``, and ``ffnn ensembles``, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import Cli


@pytest.fixture
def runs(cli: Cli, tiny: Path) -> list[str]:
    words = ["train", "-d", tiny, "-e", 2, "-b", 8, "-sz", 6, "--json", "-q"]
    settings = (["--augment", "flip,shift:1"], ["--seed", 1])
    return [json.loads(cli(*words, *more).out)["run_id"] for more in settings]


def test_tta_is_in_the_document_and_in_the_text(cli: Cli, runs: list[str]) -> None:
    document = json.loads(cli("evaluate", runs[0], "--tta", "--json").out)
    assert (document["tta"], document["views"]) == (True, 10)
    shown = cli("evaluate", runs[0], "--tta").out
    assert "test-time averaging over 10 views" in shown
    assert f"validation images: accuracy {document['val_acc']:.4f}, loss {document['val_loss']:.4f}" in shown
    assert "averaging" not in cli("evaluate", runs[0]).out
    plain = cli("evaluate", runs[1], "--tta")
    assert plain.code == 0
    assert "trained without augmentation" in plain.err
    assert "averaging" not in plain.out


def test_an_ensemble_is_evaluated_listed_and_shown(cli: Cli, runs: list[str]) -> None:
    assert cli("ensembles", "list").err.strip() == "there are no ensembles"
    assert json.loads(cli("ensembles", "list", "--json").out) == []
    document = json.loads(cli("evaluate", *runs, "--ensemble", "--tta", "--json").out)
    assert document["run_ids"] == runs
    assert document["tta"] is True
    assert document["n"] == 30
    assert Path(document["path"]).is_file()
    shown = cli("ensembles", "show", document["ensemble_id"])
    assert f"accuracy {document['accuracy']:.4f}" in shown.out
    assert all(run in shown.out for run in runs)
    assert json.loads(cli("ensembles", "show", document["ensemble_id"], "--json").out) == document
    assert json.loads(cli("ensembles", "list", "--json").out) == [document]
    assert document["ensemble_id"] in cli("ensembles", "list").out
    assert "ensemble" in cli("evaluate", *runs, "--ensemble").out
    assert len(json.loads(cli("runs", "list", "--json").out)) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ensemble"], "--ensemble"),
        (["--ensemble", "--best"], "--best"),
        (["nope", "nope", "--ensemble"], "no run 'nope'"),
    ],
)
def test_wrong_requests(cli: Cli, words: list[str], message: str) -> None:
    done = cli("evaluate", *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_an_ensemble_that_is_not_stored_has_no_id(cli: Cli, runs: list[str], tiny: Path) -> None:
    with np.load(tiny) as arrays:
        changed = {**arrays, "y_test": arrays["y_test"][::-1]}
    np.savez(tiny, **changed)
    done = cli("evaluate", *runs, "--ensemble", "--json")
    document = json.loads(done.out)
    assert (done.code, document["ensemble_id"], document["path"]) == (0, None, None)
    shown = cli("evaluate", *runs, "--ensemble")
    assert f"{document['accuracy']:.4f}" in shown.out
    assert "None" not in shown.out
    assert json.loads(cli("ensembles", "list", "--json").out) == []
