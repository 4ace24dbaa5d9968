"""``ffnn train --recipe list``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ffcli.cli.output import Output
from ffcli.cli.text import duration, number
from ffcli.cli.views.tables import Columns
from ffcli.config import all_recipes

LIST = "list"  # the word that shows the recipes instead of naming one


def show_recipes(out: Output) -> None:
    """Show what each recipe is for and what it came to."""
    documents = [
        {
            "recipe": recipe.name,
            "description": recipe.description,
            "measured": dict(recipe.measured),
            "path": str(recipe.path),
            "config": recipe.config.as_dict(),
        }
        for recipe in all_recipes()
    ]
    figures = ["val_acc", "test_acc", "test, --tta"]
    out.result(
        documents,
        Columns(
            ["recipe", "dataset", *figures, "time", "what it is"],
            map(_row, documents),
            right=[*figures, "time"],
        ),
        "",
        "Means over some seeds, and the time of a training on one core; –: not measured.",
    )


def _row(document: dict[str, Any]) -> list[Any]:
    measured = document["measured"]
    return [
        document["recipe"],
        Path(document["config"]["dataset"]).name,
        *(number(measured[name]) for name in ("val_acc", "test_acc", "test_acc_tta")),
        duration(measured["seconds"]),
        document["description"],
    ]
