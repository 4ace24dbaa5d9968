"""``ffnn train --recipe list``."""

from __future__ import annotations

from pathlib import Path

from ffcli.cli.output import Output
from ffcli.cli.text import duration, number
from ffcli.cli.views.tables import Columns

LIST = "list"  # the word that shows the recipes instead of naming one


def show_recipes(out: Output) -> None:
    """Show what each recipe is for and what it came to."""
    from ffcli.services.recipes import list_recipes

    recipes = list_recipes()
    figures = ["val_acc", "test_acc", "test, --tta"]
    rows = [
        [
            each.recipe,
            Path(each.config["dataset"]).name,
            number(each.measured.val_acc),
            number(each.measured.test_acc),
            number(each.measured.test_acc_tta),
            duration(each.measured.seconds),
            each.description,
        ]
        for each in recipes
    ]
    out.result(
        recipes,
        Columns(["recipe", "dataset", *figures, "time", "what it is"], rows, right=[*figures, "time"]),
        "",
        "Means over some seeds, and the time of a training on one core; –: not measured.",
    )
