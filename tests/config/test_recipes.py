"""The recipes that come with the package."""

from __future__ import annotations

import pytest
import yaml

from ffcli.config import FIELDS, TrainConfig, all_recipes, load_recipe
from ffcli.config.recipes import FOLDER, recipe_names
from ffcli.errors import RequestError

FIGURES = ["seeds", "val_acc", "val_acc_tta", "test_acc", "test_acc_std", "test_acc_tta", "seconds"]


def test_these_are_the_recipes():
    assert recipe_names() == ["accurate", "best", "fast", "mnist", "plain"]
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.yaml" for name in recipe_names()}


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_sets_hyper_parameters_by_their_own_names_and_tells_of_itself(name):
    recipe = load_recipe(name)
    assert set(recipe.settings) <= set(FIELDS)
    assert "seed" not in recipe.settings
    assert recipe.config == TrainConfig.model_validate(dict(recipe.settings))
    assert recipe.description
    assert list(recipe.measured) == FIGURES
    known = {key: value for key, value in recipe.measured.items() if value is not None}
    assert all(0 < known[key] < 1 for key in known if "acc" in key)
    assert yaml.safe_load(recipe.path.read_text("utf-8"))["about"]["measured"] == recipe.measured


def test_plain_is_the_defaults():
    assert load_recipe("plain").config == TrainConfig()


def test_names_in_any_case_and_the_nearest_of_a_wrong_one():
    assert load_recipe(" FAST ").name == "fast"
    for wrong, guess in (("acurate", "accurate"), ("fsat", "fast"), ("mnits", "mnist")):
        with pytest.raises(RequestError, match=f"'{wrong}' is not a known recipe.* Did you mean '{guess}'"):
            load_recipe(wrong)
    with pytest.raises(RequestError, match="fast' is not a known recipe"):
        load_recipe("../recipes/fast")


def test_the_quickest_comes_first_and_what_was_not_measured_last():
    seconds = [recipe.measured["seconds"] for recipe in all_recipes()]
    known = [value for value in seconds if value is not None]
    assert known == sorted(known) == seconds[: len(known)]
