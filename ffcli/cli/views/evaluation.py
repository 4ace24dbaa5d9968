"""Tables and figures of an evaluated network or ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffcli.cli.text import number, plain
from ffcli.cli.views.tables import Columns

if TYPE_CHECKING:
    from ffcli.runs.ensembles import Ensemble
    from ffcli.services.evaluation.results import ConfusionMatrix, Evaluation


def on_test_images(n: int, dataset: str) -> str:
    """Return the end of a title: on which test images something was evaluated."""
    return f"on the test images of {plain(dataset)} (n = {n:,})"


def figures(evaluation: Evaluation | Ensemble) -> list[str]:
    """Return the figures of an evaluation in one to three lines."""
    loss = f"{number(evaluation.loss)} ({evaluation.loss_name})"
    lines = [f"accuracy {number(evaluation.accuracy)}, loss {loss}"]
    members = getattr(evaluation, "members", None)
    if evaluation.tta or members is not None:
        lines.append(
            "on the validation images: "
            f"accuracy {number(evaluation.val_acc)}, loss {number(evaluation.val_loss)}"
        )
    views = getattr(evaluation, "views", 0)
    if evaluation.tta and members is not None:
        lines.append("test-time averaging over each run's own views of an image")
    elif evaluation.tta and views > 1:
        lines.append(f"test-time averaging over {views} views of an image")
    return lines


def per_class(document: Evaluation | Ensemble | ConfusionMatrix) -> Columns:
    """Return the table of the classes, with the means over them where these are known."""
    classes = document.per_class
    heads = ["precision", "recall", "f1"]
    rows = [[each.name, *(number(getattr(each, head)) for head in heads), each.support] for each in classes]
    total = sum(each.support for each in classes)
    for title, mean in (("macro average", document.macro), ("weighted average", document.weighted)):
        if mean is not None:
            rows.append([title, *(number(getattr(mean, head)) for head in heads), total])
    return Columns(["class", *heads, "support"], rows, right=[*heads, "support"])
