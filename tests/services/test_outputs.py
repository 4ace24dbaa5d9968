"""Files that a user names for a command to write: where they may be, and what they must not overwrite."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_runs import Place, write_dataset

from ffcli.errors import FfnnError, RequestError
from ffcli.plotting.style import new_figure, save_figure
from ffcli.services.compare_loss.run import reads
from ffcli.services.evaluation.best import RunChoice
from ffcli.services.evaluation.confusion import confusion
from ffcli.services.export.export import export
from ffcli.services.outputs import check_apart, check_figure, check_output, check_table
from ffcli.services.runs.compare import compare_runs

RUN, SWEEP = "20260101-000000-000-aaaa", "20260101-000000-000-bbbb"


def refused(place: Place, path: Path, **options: list[str | Path | None]) -> str:
    """Return why a table is not written there."""
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(RequestError) as caught:
        check_table(place.context, path, None, **options)
    assert caught.value.parameter == "csv"
    assert (path.read_bytes() if path.exists() else None) == before
    return str(caught.value)


@pytest.mark.parametrize("name", ["", "x.jpg", "x", "nowhere/x.png", "file.txt/x.png"])
def test_a_wrong_target_is_refused_before_any_work(place: Place, name: str) -> None:
    (place.folder / "file.txt").touch()
    with pytest.raises(RequestError) as caught:
        check_figure(place.context, place.folder / name)
    assert caught.value.parameter == "out"


def test_a_target_may_be_in_the_home_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place.folder))
    assert check_output(place.context, "out", Path("~/x.PNG"), ".png") == place.folder / "x.PNG"
    assert check_output(place.context, "csv", Path("~/x")) == place.folder / "x"
    with pytest.raises(RequestError, match="~nobody-of-this-name"):
        check_output(place.context, "out", Path("~nobody-of-this-name/x.png"))


def test_a_device_needs_no_ending(place: Place) -> None:
    (place.folder / "stdout").symlink_to(place.folder / "behind")
    target = check_figure(place.context, place.folder / "stdout")
    assert target == place.folder / "stdout"
    save_figure(new_figure(1, 1), target)
    assert (place.folder / "behind").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("dpi", [0, -150, 29, 1201])
def test_a_resolution_out_of_bounds_is_refused(place: Place, dpi: int) -> None:
    with pytest.raises(RequestError) as caught:
        check_figure(place.context, None, dpi)
    assert caught.value.parameter == "dpi"
    assert check_figure(place.context, None, 300) is None


def test_a_table_and_a_figure_are_two_files(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        check_apart(tmp_path / "x.png", tmp_path / "." / "x.png")
    assert caught.value.parameter == "csv"
    check_apart(tmp_path / "x.csv", tmp_path / "x.png")
    check_apart(Path(os.devnull), Path(os.devnull))


@pytest.mark.parametrize(
    ("path", "named"),
    [
        *((f"{RUN}/{name}", RUN) for name in ("summary.json", "config.yaml", "history.csv")),
        *((f"{RUN}/{name}.safetensors", RUN) for name in ("model", "checkpoint")),
        ("called/history.csv", "called"),  # a folder that was renamed
        *((f"sweeps/{SWEEP}/{name}", SWEEP) for name in ("study.log", "sweep.yaml", "summary.json")),
        *((f"sweeps/{SWEEP}/{name}", SWEEP) for name in ("runs.csv", "lock")),
        ("sweeps/me/project/w1/sweep.yaml", "w1"),
        (f"ensembles/{RUN}.json", RUN),
    ],
)
def test_no_file_of_a_record_is_overwritten_or_made_in_any_store(place: Place, path: str, named: str) -> None:
    place.put("called")
    for store in ("runs", "another"):
        file = place.folder / store / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if named == "w1":
            file.write_text("method: grid")
        if named == "called":
            (file.parent / "summary.json").touch()
            (file.parent / "config.yaml").touch()
        assert named in refused(place, file)
    link = place.folder / "link.csv"
    link.symlink_to(file)
    assert named in refused(place, link)
    (place.folder / "folder").symlink_to(file.parent)
    assert named in refused(place, place.folder / "folder" / file.name)


def test_a_name_that_links_into_a_store_is_refused_where_it_is_the_default_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [place.train(epochs=1, seed=seed).run_id for seed in (1, 2)]
    monkeypatch.chdir(place.folder)
    before = {path: path.read_bytes() for path in place.path("").rglob("*") if path.is_file()}
    choice = RunChoice(runs[0])
    writes: dict[str, Callable[[], object]] = {
        f"{runs[0]}.npz": lambda: export(place.context, choice, format="npz"),
        "runs-compare.png": lambda: compare_runs(place.context, runs),
        f"confusion-{runs[0]}.png": lambda: confusion(
            place.context, choice, normalize=False, out=None, csv_file=None
        ),
    }
    for name, write in writes.items():
        Path(name).symlink_to(place.path(runs[1]) / "model.safetensors")
        with pytest.raises(RequestError, match=runs[1]):
            write()
        Path(name).unlink()
        write()
        assert Path(name).stat().st_size > 100
    after = {path: path.read_bytes() for path in before if path.name != "summary.json"}
    assert after == {path: before[path] for path in after}


def test_folders_that_only_look_like_a_run_or_a_sweep_are_the_users(place: Place) -> None:
    for name in ("summary.json", "study.log"):
        (place.folder / name).touch()
    for name in ("history.csv", "model.safetensors", "runs.csv"):
        assert check_output(place.context, "csv", place.folder / name) == place.folder / name


@pytest.mark.parametrize("dataset", ["loop.npz", "closed/data.npz", "n" * 300, ""])
def test_data_of_another_run_that_cannot_be_read_are_not_the_outputs_fault(
    place: Place, dataset: str
) -> None:
    (place.folder / "loop.npz").symlink_to(place.folder / "loop.npz")
    (place.folder / "closed").mkdir(mode=0)
    place.put("one", dataset=dataset and str(place.folder / dataset))
    existing = place.folder / "x.png"
    existing.touch()
    assert check_output(place.context, "out", existing) == existing


def test_links_in_a_circle_are_left_to_who_writes(place: Place) -> None:
    loop = place.folder / "loop.png"
    loop.symlink_to(loop)
    assert check_figure(place.context, loop) == loop
    with pytest.raises(FfnnError, match=r"loop\.png cannot be written"):
        save_figure(new_figure(1, 1), loop)
    existing = place.folder / "x.png"
    existing.touch()
    for read in (Path("~nobody-of-this-name/x.png"), loop):
        assert check_figure(place.context, existing, reads=[read]) == existing


def test_other_files_in_the_folders_of_a_store_are_the_users(place: Place) -> None:
    place.put(RUN)
    for folder in (RUN, f"sweeps/{SWEEP}", "sweeps", "ensembles", "figures", "sweeps/mine"):
        (place.path("") / folder).mkdir(parents=True, exist_ok=True)
        for file in ("x.png", "report.html", "matrix.csv"):
            path = place.path("") / folder / file
            path.touch()
            assert check_output(place.context, "out", path) == path
    (place.path("") / "sweeps/mine/sweep.yaml").touch()
    for path in ("history.csv", "sweeps/mine/runs.csv", f"sweeps/{SWEEP}/history.csv", "ensembles/x.json"):
        assert check_output(place.context, "csv", place.path(path)) == place.path(path)


def test_prepared_data_are_not_overwritten(place: Place) -> None:
    place.context.dataset(str(place.dataset))
    (folder,) = (place.folder / "data/custom").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "dataset.json", "x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"
    }  # fmt: skip
    for path in folder.iterdir():
        assert str(folder) in refused(place, path)
    check_output(place.context, "csv", folder / "mine.csv")
    check_output(place.context, "csv", place.folder / "x_train.npy")


def test_the_data_of_stored_runs_are_not_overwritten(place: Place) -> None:
    place.put("one", dataset=str(place.dataset))
    assert str(place.dataset) in refused(place, place.dataset)
    other = write_dataset(place.folder / "other.npz")
    assert check_output(place.context, "out", other) == other
    for read in (str(other), f"{other}#grayscale"):
        assert read in refused(place, other, reads=[None, "mnist", read])
    refused(place, other, reads=[other])


def test_the_parts_of_a_dataset_are_its_files_too(place: Place) -> None:
    for part in ("train", "test", "notes"):
        (place.folder / f"{part}.csv").write_text("label,a\n0,1\n1,2\n")
    for name in ("cat", "dog"):
        (place.folder / "pets" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(place.folder / "pets" / name / "1.png")
    place.put("one", dataset=f"{place.folder}/train.csv#label=label")
    place.put("two", dataset=f"{place.folder}/pets")
    for name in ("train.csv", "test.csv", "pets/cat/1.png", "pets/dog/1.png"):
        refused(place, place.folder / name)
    for name in ("notes.csv", "pets/cat/2.png", "pets.png"):
        check_output(place.context, "csv", place.folder / name)


def test_a_comparison_reads_its_file_and_all_its_data(place: Place) -> None:
    other = write_dataset(place.folder / "other.npz")
    file = place.folder / "spec.yaml"
    text = "method: random\nparameters: {loss: {values: [cross_entropy, squared_error]}"
    file.write_text(f"{text}, dataset: {{values: ['{place.dataset}', '{other}']}}}}")
    for path in (file, other, place.dataset):
        refused(place, path, reads=reads(file))
    file.write_text(f"{text}, dataset: {{value: '{other}'}}}}")
    assert reads(file) == [file, str(other)]
    file.write_text(f"{text}}}")
    assert reads(file) == [file]


def test_a_store_that_cannot_be_read_is_not_the_outputs_fault(place: Place) -> None:
    place.context.runs_dir.write_text("a file")
    assert check_output(place.context, "csv", place.dataset) == place.dataset
