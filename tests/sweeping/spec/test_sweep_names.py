"""Which file a word means."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffcli.services.sweeps.shipped import named_files, no_such_file, shipped_files, sweep_file

SHIPPED = Path(__file__).parents[3] / "sweeps"
NAMES = sorted(path.stem for path in SHIPPED.iterdir())


pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_comes_with_ffnn_has_its_name(name):
    assert sweep_file(name).read_text("utf-8") == (SHIPPED / f"{name}.yaml").read_text("utf-8")
    assert sweep_file(f"sweeps/{name}.yaml") == sweep_file(f"{name}.yaml") == shipped_files()[name]


def test_in_any_case_and_with_hyphens():
    assert sweep_file("Bayes") == sweep_file("bayes")
    assert sweep_file("compare-loss") == sweep_file("compare_loss") == shipped_files()["compare_loss"]


def test_a_file_of_this_path_wins_then_one_in_the_folder_sweeps_here(tmp_path: Path):
    Path("sweeps").mkdir()
    Path("sweeps/bayes.yaml").write_text("mine")
    Path("sweeps/Own.yaml").write_text("own")
    assert sweep_file("bayes") == Path("sweeps/bayes.yaml")
    assert sweep_file("own") == Path("sweeps/Own.yaml")
    assert set(named_files()) == {*NAMES, "Own"}
    Path("sweeps/Quick.yaml").write_text("another case")
    assert sweep_file("quick") == Path("sweeps/Quick.yaml")
    Path("bayes").write_text("a file without a suffix")
    assert sweep_file("bayes") == Path("bayes")
    assert sweep_file(str(tmp_path / "bayes")) == tmp_path / "bayes"


def test_a_folder_is_no_file():
    Path("grid").mkdir()
    assert sweep_file("grid") == shipped_files()["grid"]


@pytest.mark.parametrize(
    "word", ["bays", "", "../sweeps/bayes", "/x/sweeps/bayes", "a/b/c", "b\0", "bayes.yml"]
)
def test_other_words_are_paths(word):
    assert sweep_file(word) == Path(word)


def test_the_nearest_name_is_told():
    assert "Did you mean the file 'bayes'?" in no_such_file("bays")
    assert all(name in no_such_file("xyz") for name in NAMES)
