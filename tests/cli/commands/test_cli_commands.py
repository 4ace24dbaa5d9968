"""The commands as a user calls them, on a small dataset."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_helpers import Cli, Done

TRAIN_KEYS = {
    *("run_id", "name", "path", "status", "config", "epochs", "best_epoch", "best_val_acc", "seconds"),
}
EPOCH_KEYS = {"epoch", "train_loss", "train_acc", "val_loss", "val_acc", "seconds", "train_seconds"}


def document(done: Done) -> Any:
    """Return the one JSON document on stdout; NaN and Infinity are no JSON."""
    return json.loads(done.out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


@pytest.fixture
def trained(cli: Cli, tiny: Path) -> dict[str, Any]:
    done = cli("train", "-d", tiny, "-e", 2, "-b", 8, "--tag", "one", "--tag", "two", "--json", "--quiet")
    assert (done.code, done.err) == (0, "")
    return dict(document(done))


def test_train_prints_one_document_and_its_progress_elsewhere(cli: Cli, tiny: Path) -> None:
    done = cli("train", "--dataset", tiny, "--epochs", 3, "--json")
    assert done.code == 0
    run = document(done)
    assert run.keys() >= TRAIN_KEYS
    assert all(epoch.keys() >= EPOCH_KEYS for epoch in run["epochs"])
    assert [line for line in done.err.splitlines() if line.startswith("epoch 2/3  train_loss 0.")]
    assert "\x1b" not in done.err


def test_train_without_json_says_where_the_run_lies_and_what_comes_next(cli: Cli, tiny: Path) -> None:
    done = cli("train", "-d", tiny, "-e", 2, "--name", "mine")
    (run,) = (path.name for path in Path("runs").iterdir())
    assert f"run {run} (mine): finished" in done.out
    assert f"stored in {Path('runs', run)}" in done.out
    assert f"ffnn evaluate {run}" in done.out
    assert "val_acc" in done.out


def test_quiet_leaves_only_the_result(cli: Cli, tiny: Path) -> None:
    for args in (["-q", "train"], ["train", "-q"], ["--no-quiet", "train", "--quiet=TRUE"]):
        done = cli(*args, "-d", tiny, "-e", 1, "-m", 0.5)
        assert (done.code, done.err) == (0, "")
        assert "finished" in done.out


def test_one_notice_for_options_that_have_no_effect(cli: Cli, tiny: Path) -> None:
    args = ["-d", tiny, "-o", "adam", "--momentum", 0.5, "-beta", 0.5, "-beta1", 0.8, "-e", 1]
    done = cli("train", *args)
    (notice,) = (line for line in done.err.splitlines() if "not used" in line)
    assert re.findall(r"(\w+) is not used with optimizer adam", notice) == ["momentum", "beta"]
    assert "beta1" not in notice


def test_a_file_does_not_count_as_an_explicit_option(cli: Cli, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("momentum: 0.5\noptimizer: adam\n")
    assert "not used" not in cli("train", "-d", tiny, "-e", 1, "--config", "c.yaml").err


def test_where_a_run_would_go_at_wandb_is_recorded(cli: Cli, tiny: Path) -> None:
    done = cli(
        "train", "-d", tiny, "-e", 1, "-wp", "p", "--wandb_entity", "e", "--wandb", "DISABLED", "--json"
    )
    assert "W&B" not in done.err
    run = document(done)
    assert run["wandb"] == {"mode": "disabled", "project": "p", "entity": "e"}
    assert "W&B" not in cli("train", "-d", tiny, "-e", 1, "--wandb", "disabled").err


def test_dry_run_shows_the_plan_and_leaves_no_run(cli: Cli, tiny: Path) -> None:
    plan = document(cli("train", "-d", tiny, "-e", 2, "-b", 9, "-sz", "8,4", "--dry-run", "--json"))
    assert plan["config"]["hidden_size"] == [8, 4]
    assert plan["config"]["num_layers"] == 2
    assert plan["parameters"] == 36 * 8 + 8 + 8 * 4 + 4 + 4 * 3 + 3
    assert (plan["train"], plan["steps_per_epoch"], plan["steps"]) == (81, 9, 18)
    shown = cli("train", "-d", tiny, "-sz", "8,4", "--dry-run").out
    assert "8,4" in shown
    assert not Path("runs").exists()


def test_flags_beat_the_file_and_what_follows_from_it(cli: Cli, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        f"dataset: {tiny}\nhidden_size: [8, 8]\nepochs: 7\nlearning_rate: 1e-2\n"
    )
    config = document(cli("train", "--config", "c.yaml", "--num-layers", 3, "-e", 2, "--dry-run", "--json"))[
        "config"
    ]
    assert (config["num_layers"], config["hidden_size"], config["epochs"]) == (3, 8, 2)
    assert config["learning_rate"] == 0.01


def test_the_stored_configuration_feeds_config_again(cli: Cli, trained: dict[str, Any]) -> None:
    file = Path(trained["path"], "config.yaml")
    again = document(cli("train", "--config", file, "--dry-run", "--json"))
    assert again["config"] == trained["config"] == yaml.safe_load(file.read_text())


def test_resume_goes_on_with_more_epochs(cli: Cli, trained: dict[str, Any]) -> None:
    done = cli("train", "--resume", trained["run_id"], "--epochs", 4, "--json")
    assert done.code == 0
    assert [epoch["epoch"] for epoch in document(done)["epochs"]] == [1, 2, 3, 4]
    assert "epoch 3/4" in done.err


def test_a_diverged_run_is_kept_and_fails(cli: Cli, tiny: Path) -> None:
    done = cli(
        "train", "-d", tiny, "-o", "sgd", "-lr", 1e38, "-l", "squared_error", "-w_d", 1e30, "-e", 3, "--json"
    )
    assert done.code == 1
    run = document(done)
    assert run["status"] == "diverged"
    assert any(value is None for value in run["epochs"][-1].values())
    assert "Error: run" in done.err
    assert "--learning-rate" in done.err
    assert document(cli("runs", "list", "--json"))[0]["status"] == "diverged"


def test_evaluate_gives_one_object_or_a_list(cli: Cli, trained: dict[str, Any], tiny: Path) -> None:
    run = trained["run_id"]
    one = document(cli("evaluate", run, "--json"))
    assert (one["run_id"], one["n"], len(one["per_class"])) == (run, 30, 3)
    assert document(cli("evaluate", run, run, "--json")) == [one, one]
    assert document(cli("evaluate", "--best", "--dataset", tiny, "--json")) == one
    done = cli("evaluate", run)
    assert f"accuracy {one['accuracy']:.4f}" in done.out
    assert "precision" in done.out


def test_predict_ranks_the_classes(cli: Cli, trained: dict[str, Any]) -> None:
    found = document(cli("predict", 91, "--run", trained["run_id"], "--json"))
    assert (found["index"], found["split"]) == (91, "test")
    assert math.isclose(sum(found["probabilities"].values()), 1, rel_tol=1e-5)
    shown = cli("predict", 91, "--run", trained["run_id"]).out
    assert f"predicted as {found['predicted']['name']}" in shown
    assert cli("predict", 121, "--run", trained["run_id"]).code == 2


def test_predict_with_an_untrained_network(cli: Cli, tiny: Path) -> None:
    found = document(cli("predict", 1, "--hidden-size", "8,4", "--dataset", tiny, "--json"))
    assert found["run_id"] is None
    assert len(found["probabilities"]) == 3


def test_runs_are_listed_shown_and_removed(cli: Cli, trained: dict[str, Any]) -> None:
    run = trained["run_id"]
    (listed,) = document(cli("runs", "list", "--json", "--tag", "two", "--status", "FINISHED"))
    assert (listed["run_id"], listed["tags"]) == (run, ["one", "two"])
    assert document(cli("runs", "list", "--tag", "three", "--json")) == []
    assert run in cli("runs", "list").out
    assert document(cli("--json", "runs", "show", run)) == {**trained, "png": None}
    shown = cli("runs", "show", run).out
    assert "learning_rate" in shown
    assert "train_loss" in shown
    assert document(cli("runs", "rm", run, "-y", "--json"))["removed"] == [run]
    assert "no runs" in cli("runs", "list").err or cli("runs", "list").out == ""


def test_nothing_is_cut_short_in_a_pipe(cli: Cli, tiny: Path) -> None:
    name = "a rather long name " * 10
    cli("train", "-d", tiny, "-e", 1, "-q", "--name", name)
    assert name.strip() in cli("runs", "list").out


def test_folders_by_variable_before_and_after_the_command(
    cli: Cli, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFNN_RUNS_DIR", "by_variable")
    train = ["train", "-q", "-d", tiny, "-e", 1]
    cli(*train)
    cli("--runs-dir", "before", *train)
    cli("--runs_dir=before_again", *train, "--runs-dir", "after", "--data-dir", "elsewhere")
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        *("by_variable", "before", "after", "data", "elsewhere")
    }


def test_names_cannot_command_the_terminal_or_the_markup(cli: Cli, tiny: Path) -> None:
    cli("train", "-d", tiny, "-e", 1, "-q", "--name", "[bold]x[/bold]\x1b[31mred\nline\u202e")
    for args in (["runs", "list"], ["runs", "show", next(Path("runs").iterdir()).name]):
        out = cli(*args).out
        assert r"[bold]x[/bold]\x1b[31mred\nline\u202e" in out
        assert "\x1b" not in out


def test_download_from_a_folder_that_is_missing(cli: Cli) -> None:
    done = cli("download", "--from", "nowhere")
    assert (done.code, done.out) == (2, "")
    assert "nowhere" in done.err
