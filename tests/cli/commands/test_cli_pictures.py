"""`visualize`, `predict` and `confusion` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import Cli, Done, bare, on_terminal
from PIL import Image


def document(done: Done) -> dict[str, Any]:
    assert (done.code, done.err) == (0, "")
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.fixture
def run(cli: Cli, tiny: Path) -> str:
    done = cli("train", "-d", tiny, "-e", 1, "-lr", 1e-9, "-q", "--json")
    return str(document(done)["run_id"])


def test_visualize_writes_a_picture_and_lists_the_samples(cli: Cli, tiny: Path) -> None:
    found = document(cli("visualize", "-d", tiny, "--json", "-q"))
    assert found.keys() >= {"dataset", "png", "samples"}
    assert all(sample.keys() >= {"label", "name", "index"} for sample in found["samples"])
    assert [sample["name"] for sample in found["samples"]] == ["0", "1", "2"]
    assert found["png"] == "visualize-tiny.png"
    with Image.open("visualize-tiny.png") as picture:
        assert picture.format == "PNG"
    done = cli("visualize", "-d", tiny)
    assert "written to visualize-tiny.png" in done.out
    assert str(found["samples"][2]["index"]) in done.out
    assert "\x1b" not in done.out + done.err


def test_visualize_takes_an_index_a_seed_and_a_name(cli: Cli, tiny: Path) -> None:
    args = ["visualize", "-d", tiny, "--json", "-q"]
    found = document(cli(*args, "--index", 91, "--out=x.png"))
    assert (found["samples"][0]["index"], found["png"]) == (91, "x.png")
    assert Path("x.png").is_file()
    one, other = (document(cli(*args, "--seed", seed))["samples"] for seed in (0, 1))
    assert one != other


def test_visualize_shows_the_mistakes(cli: Cli, run: str) -> None:
    found = document(cli("visualize", "--misclassified", "--run", run, "--json"))
    assert (found["run_id"], found["png"]) == (run, f"misclassified-{run}.png")
    assert found["samples"]
    assert all(sample["predicted"] != sample["label"] for sample in found["samples"])
    done = cli("visualize", "--misclassified", "--run", run)
    assert f"{found['mistakes']} mistakes" in done.out
    assert "predicted as" in done.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--index", "0"], "--index must be "),
        (["--index", "121"], "There is no image 121"),
        (["--index", "1", "--misclassified"], "got both"),
        (["--run", "x", "--best", "--misclassified"], "got both"),
        (["--seed", "x"], "--seed must be "),
        (["--out", "x.gif"], "must end in .png, .svg or .pdf"),
        (["--out", "none/x.png"], "there is no directory none"),
    ],
)
def test_visualize_refuses(cli: Cli, tiny: Path, args: list[str], message: str) -> None:
    done = cli("visualize", "-d", tiny, *args)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not list(Path().glob("*.png"))


@pytest.mark.parametrize(
    ("args", "notice"),
    [
        (["--run", "x"], "--run is not used without --misclassified"),
        (["--best"], "--best is not used without --misclassified"),
        (["--index", "1", "--seed", "1"], "--seed is not used with --index"),
    ],
)
def test_visualize_says_what_it_does_not_use(cli: Cli, tiny: Path, args: list[str], notice: str) -> None:
    done = cli("visualize", "-d", tiny, *args)
    assert done.code == 0
    assert notice in done.err


def test_predict_draws_on_request(cli: Cli, run: str) -> None:
    found = document(cli("predict", 1, "--run", run, "-o", "x.png", "--json"))
    assert found["png"] == "x.png"
    assert Path("x.png").is_file()
    assert document(cli("predict", 1, "--run", run, "--json"))["png"] is None
    assert "◂ true" in cli("predict", 1, "--run", run).out


def test_confusion_writes_its_files_and_says_it_in_words(cli: Cli, run: str) -> None:
    found = document(cli("confusion", run, "--json", "--csv", "x.csv"))
    assert found.keys() >= {"run_id", "labels", "matrix", "accuracy", "png"}
    assert (found["run_id"], found["labels"], found["csv"]) == (run, ["0", "1", "2"], "x.csv")
    assert np.array(found["matrix"]).sum() == 30
    assert Path(found["png"]).is_file()
    assert Path("x.csv").read_text().splitlines()[0] == "true \\ predicted,0,1,2"
    same = cli("confusion", run, "-o", "same.svg", "--csv", "./same.svg")
    assert (same.code, same.out, Path("same.svg").exists()) == (2, "", False)
    assert "--csv" in same.err
    done = cli("confusion", run, "-o", "y.png")
    assert (done.code, done.err) == (0, "")
    top = found["confusions"][0]
    assert f"{top['true']['name']} predicted as {top['predicted']['name']}: {top['count']}" in done.out
    assert "precision" in done.out
    assert "written to y.png" in done.out
    assert "\x1b" not in done.out


def test_confusion_takes_the_best_run(cli: Cli, run: str, tiny: Path) -> None:
    for args in ([], ["--best"], ["--best", "--metric", "val_loss"]):
        assert document(cli("confusion", "-d", tiny, "--json", *args))["run_id"] == run
    assert cli("confusion", run, "--best").code == 2
    assert cli("confusion").code == 1
    assert "--metric is not used" in cli("confusion", run, "--metric", "val_acc").err


def test_a_terminal_shows_the_images_themselves(tmp_path: Path, tiny: Path) -> None:
    code, seen = on_terminal(tmp_path, "visualize", "-d", tiny.name, COLORTERM="truecolor")
    assert code == 0
    assert "▀" in seen
    assert "48;2;" in seen
    code, seen = on_terminal(tmp_path, "visualize", "-d", tiny.name, NO_COLOR="1")
    assert (code, "▀" in seen, "38;" in seen) == (0, False, False)
    code, seen = on_terminal(tmp_path, "visualize", "-d", tiny.name, TERM="dumb")
    assert (code, "▀" in seen, "image  split" in seen) == (0, False, True)


def test_a_terminal_shows_the_bars_beside_the_image(tmp_path: Path, tiny: Path) -> None:
    code, seen = on_terminal(tmp_path, "predict", "1", "-d", tiny.name, "--hidden-size", "4")
    assert code == 0
    assert any("▀" in line and "█" in line for line in bare(seen).splitlines())


def test_a_terminal_shows_the_matrix_in_colour(tmp_path: Path, run: str) -> None:
    code, seen = on_terminal(tmp_path, "confusion", run, COLORTERM="truecolor")
    assert code == 0
    assert "rows: true class" in seen
    assert "48;2;" in seen
    assert max(map(len, bare(seen).replace("\r", "").splitlines()[3:])) <= 80


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "confusion", "visualize"])
def test_no_help_waits_for_matplotlib(process: Cli, command: str) -> None:
    done = process(command, "--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.code == 0
    assert "ffcli.cli.app" in done.err
    assert "matplotlib" not in done.err
