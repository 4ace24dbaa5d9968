"""The scripts that train recipes: what they leave on disk, what they leave out, and what they show."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import ablation, recipes
from benchmarks.recipe_runs import COLUMNS, Results, Variant, config_key, put_between
from ffcli.config import TrainConfig, load_recipe
from ffcli.runs.store import RunStore


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Options for trainings of no time: a dataset of three classes, 6×6 pixels and 120 images."""
    rng = np.random.default_rng(0)
    labels = (np.arange(120) % 3).astype(np.uint8)
    images = (rng.integers(0, 80, (120, 6, 6)) + 60 * labels[:, None, None]).astype(np.uint8)
    path = tmp_path / "tiny.npz"
    np.savez(path, x_train=images[:90], y_train=labels[:90], x_test=images[90:], y_test=labels[90:])
    settings = {"dataset": path, "hidden_size": 4, "epochs": 2}
    changed = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    folders = {"out": "results", "data-dir": "data", "runs-dir": "runs"}
    return changed + [
        word for name, folder in folders.items() for word in (f"--{name}", str(tmp_path / folder))
    ]


def rows_of(folder: Path, name: str = "runs.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_recipes_are_trained_evaluated_and_shown_once(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--recipes", "plain,accurate", "--seeds", "1", *words]
    assert recipes.main([*args, "--no-test"]) == 0
    rows = rows_of(tmp_path / "results")
    assert [(row["variant"], row["seed"]) for row in rows] == [
        ("plain", "1"),
        ("accurate", "1"),
    ]
    assert {row["test_acc"] for row in rows} == {""}, "the test images are to be left alone"
    store = RunStore(tmp_path / "runs")
    for row in rows:
        record = store.read(row["run_id"])
        assert (record.recipe, record.config["seed"]) == (row["variant"], int(row["seed"]))
        assert float(row["val_acc"]) == record.best_val_acc
        assert 0 < float(row["train_seconds"]) < float(row["seconds"])
        assert float(row["cpu_seconds"]) > 0

    ensemble = "accurate:1+plain:1"
    assert recipes.main([*args, "--ensemble", ensemble]) == 0
    evaluated = rows_of(tmp_path / "results")
    assert [row["run_id"] for row in evaluated] == [row["run_id"] for row in rows], (
        "nothing was trained again"
    )
    assert all(0 <= float(row["test_acc"]) <= 1 for row in evaluated)
    assert [bool(row["test_acc_tta"]) for row in evaluated] == [False, True]
    epochs = rows_of(tmp_path / "results", "history.csv")
    assert [(epoch["variant"], epoch["epoch"]) for epoch in epochs[:3]] == [
        ("plain", "1"),
        ("plain", "2"),
        ("accurate", "1"),
    ]
    (together,) = rows_of(tmp_path / "results", "ensembles.csv")
    assert (together["members"], together["runs"]) == (ensemble, "2")
    about = json.loads((tmp_path / "results" / "about.json").read_text())
    assert about["configs"]["accurate"]["augment"] == "flip,shift:1"
    assert about["machine"]["cpu"]
    shown = capsys.readouterr().out
    assert "| `plain`, other settings | 1 | 2 |" in shown
    assert f"| {ensemble} | 2 |" in shown

    on_folds = ["--recipes", "plain", *args[2:], "--ensemble", "plain:folds=2", "--no-test"]
    assert recipes.main(on_folds) == 0
    folds = [row for row in rows_of(tmp_path / "results") if "fold" in row["variant"]]
    assert [row["variant"] for row in folds] == ["plain, fold 1/2", "plain, fold 2/2"]
    assert [store.read(row["run_id"]).config["fold"] for row in folds] == ["1/2", "2/2"]
    capsys.readouterr()

    before = len(store.ids())
    assert recipes.main([*args, "--render"]) == 0
    assert capsys.readouterr().out in shown
    assert len(store.ids()) == before


@pytest.mark.slow
def test_the_ablation_takes_runs_over_and_trains_the_rest(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "ROOT", tmp_path)
    folder = tmp_path / "docs" / "results" / "recipes"
    assert recipes.main(["--recipes", "accurate", "--seeds", "1", *words, "--out", str(folder)]) == 0
    chosen = "accurate,without label smoothing,without flips and shifts"
    words += ["--recipe", "accurate"]
    assert ablation.main(["--variants", chosen, "--seeds", "1", *words]) == 0
    rows = {row["variant"]: row for row in rows_of(tmp_path / "results")}
    assert list(rows) == chosen.split(",")
    assert rows["accurate"] == rows_of(folder)[0]
    store = RunStore(tmp_path / "runs")
    assert len(store.ids()) == 3
    configs = {name: store.read(row["run_id"]).config for name, row in rows.items()}
    changed = {
        name: value
        for name, value in configs["accurate"].items()
        if configs["without label smoothing"][name] != value
    }
    assert changed == {"label_smoothing": load_recipe("accurate").config.label_smoothing}
    assert configs["without flips and shifts"]["augment"] == "none"
    assert "| without label smoothing |" in capsys.readouterr().out
    assert ablation.main(["--variants", "without salt", *words]) == 2
    assert "without salt is none of: accurate, relu" in capsys.readouterr().err


def test_what_is_removed_follows_from_what_the_recipe_has() -> None:
    assert list(ablation.without(TrainConfig())) == ["half the width", "half the epochs"]
    names = set(ablation.without(TrainConfig(ema=0.9, augment="shift:2", warmup_epochs=1)))
    assert {"without ema", "without warm-up", "without shifts"} <= names
    assert not names & {"without flips", "without flips and shifts", "without dropout"}
    both = ablation.without(TrainConfig(augment="flip,shift:2"))
    assert both["without flips"] == {"augment": "shift:2"}
    assert both["without shifts"] == {"augment": "flip"}


def put(results: Results, variant: str, seed: int, **values: Any) -> None:
    costs = {"seconds": 10, "cpu_seconds": 9, "epochs": 3}
    results.put({"variant": variant, "seed": seed, **costs, **values}, [])


def test_the_tables_worked_by_hand(tmp_path: Path) -> None:
    results = Results(tmp_path)
    put(results, "accurate", 1, val_acc=0.9, val_acc_tta=0.91, test_acc=0.88, test_acc_tta=0.89)
    put(results, "accurate", 2, val_acc=0.92, val_acc_tta=0.93, test_acc=0.90, test_acc_tta=0.91)
    put(results, "plain", 1, val_acc=0.885, test_acc=0.88)
    put(results, "worse", 1, val_acc=0.85, test_acc=0.87)
    put(results, "worse", 2, val_acc=0.87, test_acc=0.85)
    assert recipes.table(Results(tmp_path)).splitlines()[2:4] == [
        "| `accurate` | 1, 2 | 3 | 91.00 ± 1.41 | 92.00 ± 1.41 | 89.00 ± 1.41 | 90.00 ± 1.41 | 9 s |",
        "| `plain` | 1 | 3 | 88.50 | – | 88.00 | – | 9 s |",
    ]
    assert ablation.table(Results(tmp_path), "accurate").splitlines()[2:] == [
        "| `accurate` | 92.00 |  | 90.00 |  | 9 s |",
        "| worse | 86.00 | -6.00 ± 0.00 | 86.00 | -4.00 ± 2.00 | 9 s |",
        "| plain | 88.50 | -2.50 | 88.00 | -1.00 | 9 s |",
        "| without `--tta` | 91.00 | -1.00 ± 0.00 | 89.00 | -1.00 ± 0.00 | |",
    ]
    assert recipes.measured(results.of("accurate")) == {
        "seeds": 2,
        "val_acc": 0.91,
        "val_acc_tta": 0.92,
        "test_acc": 0.89,
        "test_acc_std": 0.0141,
        "test_acc_tta": 0.9,
        "seconds": 9,
    }
    assert recipes.measured(results.of("plain"))["test_acc_tta"] is None


def test_a_row_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    results = Results(tmp_path)
    put(results, "plain", 1, val_acc=0.5)
    put(results, "plain", 1, val_acc=0.6)
    assert [row["val_acc"] for row in Results(tmp_path).rows] == ["0.6"]
    assert list(Results(tmp_path).rows[0]) == list(COLUMNS)


def test_another_configuration_is_another_key() -> None:
    plain, wide = Variant("a", "plain"), Variant("a", "plain", {"hidden_size": "64"})
    assert config_key(plain.config(1)) == config_key(Variant("b", "plain").config(1))
    assert len({config_key(each.config(seed)) for each in (plain, wide) for seed in (1, 2)}) == 4
    assert wide.config(3) == TrainConfig(hidden_size=64, seed=3)


def test_figures_and_tables_go_where_they_are_shown(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- recipes -->\nold\n<!-- /recipes -->\nbelow\n")
    put_between(page, "recipes", "new")
    assert page.read_text() == "above\n<!-- recipes -->\nnew\n<!-- /recipes -->\nbelow\n"
    with pytest.raises(ValueError, match="ablation"):
        put_between(page, "ablation", "new")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(load_recipe("fast").path.read_text())
    recipes.write_measured(recipe, {"seeds": 2, "val_acc": 0.915, "test_acc_tta": None})
    text = recipe.read_text()
    assert "  measured: {seeds: 2, val_acc: 0.915, test_acc_tta: null}\n" in text
    with pytest.raises(ValueError, match="measured"):
        recipes.write_measured(page, {})


def test_the_page_has_room_for_the_tables() -> None:
    text = recipes.DOCS.read_text("utf-8")
    for marker in ("recipes", "ablation"):
        assert f"<!-- {marker} -->\n" in text
        assert f"<!-- /{marker} -->\n" in text


@pytest.mark.parametrize("script", [recipes, ablation])
def test_a_first_look_does_not_go_among_the_stored_results(
    script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        script.parse(["--set", "epochs=1"])
    assert "--out" in capsys.readouterr().err
    assert script.parse(["--set", "epochs=1", "--out", "elsewhere"]).set == ["epochs=1"]
