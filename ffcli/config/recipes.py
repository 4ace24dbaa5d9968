"""Recipes: named configurations shipped with the package, as YAML files that ``--config`` reads too.

Beside hyper-parameters a file holds ``about``, which any configuration file may hold and which sets nothing:
{description, measured: {seeds, val_acc, val_acc_tta, test_acc, test_acc_std, test_acc_tta, seconds}}.
The figures are means over that many seeds, the seconds those of one training on one core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ffcli.config.loading import validate
from ffcli.config.train_config import TrainConfig
from ffcli.errors import UnknownNameError
from ffcli.util.suggest import compact

ABOUT = "about"
FOLDER = Path(__file__).parents[1] / "recipes"


@dataclass(frozen=True)
class Recipe:
    """A named configuration: what the file sets, and what is known of it."""

    name: str
    path: Path
    settings: Mapping[str, Any]
    description: str
    measured: Mapping[str, Any]

    @property
    def config(self) -> TrainConfig:
        """The whole configuration."""
        return validate(self.settings)


def recipe_names() -> list[str]:
    """Return the names of all recipes, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_recipe(name: str) -> Recipe:
    """Return the recipe of this name, in any case. Raises UnknownNameError for another."""
    names = recipe_names()
    known = next((each for each in names if compact(each) == compact(name)), None)
    if known is None:
        raise UnknownNameError("recipe", name, names, parameter="recipe")
    path = FOLDER / f"{known}.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    about = settings.pop(ABOUT)
    return Recipe(known, path, settings, about["description"], about["measured"])


def all_recipes() -> list[Recipe]:
    """Return all recipes, the quickest first; those without figures come last."""
    recipes = map(load_recipe, recipe_names())
    return sorted(recipes, key=lambda recipe: recipe.measured["seconds"] or float("inf"))
