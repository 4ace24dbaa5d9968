"""The recipes that come with the package. Each field of the results is a key of the JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffcli.config import all_recipes


@dataclass(frozen=True)
class Measured:
    """What a recipe came to: means over some seeds; null where it was not measured."""

    seeds: int | None
    """Number of seeds."""
    val_acc: float | None
    val_acc_tta: float | None
    """With the mean of the probabilities over several views of each image."""
    test_acc: float | None
    test_acc_std: float | None
    """Standard deviation over the seeds."""
    test_acc_tta: float | None
    """With the mean of the probabilities over several views of each image."""
    seconds: float | None
    """Duration of a training on one core."""


@dataclass(frozen=True)
class ListedRecipe:
    """A configuration that comes with the package."""

    recipe: str
    """Its name."""
    description: str
    measured: Measured
    path: Path
    """The configuration file."""
    config: dict[str, Any]
    """All hyper-parameters, by their names."""


def list_recipes() -> list[ListedRecipe]:
    """Return all recipes, the quickest first."""
    return [
        ListedRecipe(
            recipe.name, recipe.description, Measured(**recipe.measured), recipe.path, recipe.config.as_dict()
        )
        for recipe in all_recipes()
    ]
