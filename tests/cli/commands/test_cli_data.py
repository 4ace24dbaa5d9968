"""A user's own data and pictures on the command line: class names, options, refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from brought_data import NAMES, arrays, class_files, csv_text, write_files
from cli_helpers import Cli
from PIL import Image

QUICK = ("--epochs", "1", "--hidden-size", "4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Class folders of coloured pictures."""
    data = arrays()
    coloured = np.stack([data["x_train"], data["x_train"] // 2, data["x_train"] // 3], axis=3)
    return write_files(tmp_path / "insects", class_files(coloured, data["y_train"]))


def test_class_names_in_every_document(cli: Cli, folder: Path, tmp_path: Path) -> None:
    done = cli("train", "--dataset", folder, "--grayscale", "--augment", "shift:1", *QUICK, "--json")
    run = json.loads(done.out)
    assert run["config"]["dataset"] == f"{folder.resolve()}#grayscale"
    record = json.loads((Path(run["path"]) / "summary.json").read_text())
    assert record["provenance"]["test_split"] == {"test_fraction": 0.2, "seed": 20260731}
    run_id = run["run_id"]
    evaluated = json.loads(cli("evaluate", run_id, "--json").out)
    assert [each["name"] for each in evaluated["per_class"]] == list(NAMES)
    confused = json.loads(cli("confusion", run_id, "--json", "--out", tmp_path / "c.png").out)
    assert confused["labels"] == list(NAMES)
    predicted = json.loads(cli("predict", "1", "--run", run_id, "--json").out)
    assert set(predicted["probabilities"]) == set(NAMES)
    table = cli("evaluate", run_id).out + cli("confusion", run_id, "--out", tmp_path / "c.png").out
    assert all(name in table for name in NAMES)


def test_colour_and_augmentation_do_not_go_together(cli: Cli, folder: Path) -> None:
    done = cli("train", "--dataset", folder, "--augment", "flip", *QUICK)
    assert done.code == 2
    assert "--augment" in done.err


@pytest.mark.parametrize("column", ["thing", "1"])
def test_a_column_of_labels(cli: Cli, tmp_path: Path, column: str) -> None:
    data = arrays()
    text = csv_text(data["x_train"], data["y_train"]).replace("label", "thing")
    (tmp_path / "a.csv").write_text(text)
    done = cli("train", "--dataset", tmp_path / "a.csv", "--label-column", column, *QUICK, "--json")
    assert json.loads(done.out)["config"]["dataset"].endswith(f"a.csv#label={column}")
    assert cli("train", "--dataset", tmp_path / "a.csv", "--label-column", "no", *QUICK).code == 2
    assert cli("train", "--dataset", "mnist", "--label-column", "no", *QUICK).code == 2


@pytest.mark.parametrize(
    "words", [("20261126-1200",), ("20261126-1200", "--image", "a.png"), ("1", "--image", "a")]
)
def test_a_run_in_the_place_of_an_index(cli: Cli, words: tuple[str, ...]) -> None:
    done = cli("predict", *words)
    assert done.code == 2
    assert f"--run {words[0]}" in done.err


def test_mirrored_digits_are_refused_before_anything_is_fetched(cli: Cli, tmp_path: Path) -> None:
    for more in ((), ("--dry-run",)):
        done = cli("train", "-d", "mnist", "--augment", "flip", "--data-dir", tmp_path / "none", *more)
        assert (done.code, (tmp_path / "none").exists()) == (2, False)
        assert "--augment" in done.err


def test_pipes_and_loops_end_in_one_message(cli: Cli, tmp_path: Path, folder: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "loop.npz").symlink_to(tmp_path / "loop.npz")
    for name in ("pipe.npz", "loop.npz", "loop.npz/a.npz", "none.npz"):
        done = cli("train", "--dataset", tmp_path / name)
        assert done.code == 2
        assert "bug" not in done.err
        done = cli("predict", "--image", tmp_path / name, "-sz", "4", "--dataset", f"{folder}#grayscale")
        assert done.code == 2
        assert "--image" in done.err


@pytest.mark.parametrize(
    ("words", "inverts"),
    [
        ((), True),
        (("--invert", "auto"), True),
        (("--invert=AUTO",), True),
        (("--invert",), True),
        (("--invert=true",), True),
        (("--no-invert",), False),
        (("--invert", "false"), False),
    ],
)
def test_invert(cli: Cli, tmp_path: Path, words: tuple[str, ...], inverts: bool) -> None:
    data = {name: array // 200 * 255 if name[0] == "x" else array for name, array in arrays().items()}
    data = {
        name: np.pad(a[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1))) if a.ndim == 3 else a
        for name, a in data.items()
    }
    np.savez(tmp_path / "d.npz", **data)
    dark = data["x_train"][3]
    Image.fromarray(dark).save(tmp_path / "dark.png")
    Image.fromarray(255 - dark).save(tmp_path / "light.png")

    def predict(picture: str, *more: str) -> dict[str, float]:
        words = (
            "predict",
            "--image",
            tmp_path / picture,
            "-sz",
            "4",
            "-d",
            tmp_path / "d.npz",
            "--json",
            *more,
        )
        probabilities: dict[str, float] = json.loads(cli(*words).out)["probabilities"]
        return probabilities

    as_is = predict("dark.png", "--no-invert")
    assert (predict("light.png", *words) == as_is) == inverts
