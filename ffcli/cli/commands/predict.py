"""``ffnn predict``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from ffcli.cli.context import context
from ffcli.cli.help import IMAGES, NETWORK, argument, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import (
    Dpi,
    NetworkOfBest,
    NetworkOfRun,
    WandbEntity,
    WandbMode,
    WandbProject,
    dataset_option,
    figure_file,
    run_choice,
    tracking,
)
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.cli.values import integer
from ffcli.cli.views.drawing import Picture, bar, draws
from ffcli.cli.views.tables import Columns

if TYPE_CHECKING:
    import numpy as np

    from ffcli.services.evaluation.results import Prediction

app = typer.Typer(add_completion=False)

_BAR = 30  # columns of a certain prediction's bar, where they find room
_LEAST_BAR = 8


class PredictCommand(Command):
    """A command whose ``--invert`` also takes ``auto``, which is as if it were not given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        kept = list(args)
        for at in range(len(args) - 1, -1, -1):
            name, equals, value = args[at].lower().partition("=")
            if name == "--invert" and equals and value == "auto":
                del kept[at]
            elif (
                name == "--invert" and not equals and args[at + 1 : at + 2] and args[at + 1].lower() == "auto"
            ):
                del kept[at : at + 2]
        return super().parse_args(ctx, kept)


@app.command(cls=PredictCommand)
def predict(
    ctx: typer.Context,
    *,
    index: Annotated[
        str | None, argument("INDEX", "Index of the image, 1…70000; the training images come first.")
    ] = None,
    image: Annotated[
        Path | None, option("--image FILE", IMAGES, "Your own picture in place of INDEX: PNG, JPEG, TIFF, …")
    ] = None,
    invert: Annotated[
        bool | None,
        option(
            "--invert",
            IMAGES,
            "Invert the --image (--no-invert: never; --invert auto: where its background differs from "
            "the dataset's).",
            default="auto",
        ),
    ] = None,
    run: NetworkOfRun = None,
    best: NetworkOfBest = False,
    hidden_size: Annotated[
        str | None,
        option("--hidden-size -sz SIZE[,SIZE…]", NETWORK, "An untrained network with these layers."),
    ] = None,
    dataset: Annotated[
        str | None, dataset_option(IMAGES, "The dataset of the images.", "that of the run")
    ] = None,
    file: Annotated[Path | None, figure_file()] = None,
    dpi: Dpi = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Show the class probabilities of one image.

    W&B also gets the figure of --out: in the run that it tracks, or as a new run for an untrained network.
    """
    from ffcli.cli.options import configure, given  # with NumPy, which Tab need not wait for
    from ffcli.services.evaluation.predict import predict as run_predict

    out = Output.of(ctx)
    options = tracking(wandb, wandb_project, wandb_entity)
    _check_index(index, image)
    if file is None and (wandb is not None or wandb_project is not None or wandb_entity is not None):
        out.notice("--wandb, --wandb-project and --wandb-entity are not used without --out")
    elif hidden_size is None and (wandb_project is not None or wandb_entity is not None):
        out.notice("--wandb-project and --wandb-entity are not used: the prediction goes to the run at W&B")
    if invert is not None and image is None:
        out.notice("--invert is not used without --image")
    if hidden_size is not None and (run is not None or best):
        refuse("Expected one of --run, --best and --hidden-size.")
    flags = given({"hidden_size": hidden_size, "dataset": dataset})
    shown = run_predict(
        context(out),
        options,
        configure(None, flags)
        if hidden_size is not None
        else run_choice(out, run, best=best, dataset=dataset),
        index=integer("INDEX", index, least=1),
        image=image,
        invert=invert,
        out=file,
        dpi=integer("--dpi", dpi),
    )
    result = shown.result
    tail = [f"written to {plain(result.png)}"] if result.png else []
    out.result(result, _head(result), _Probabilities(result, shown.images), *tail)


def _check_index(index: str | None, image: Path | None) -> None:
    """Refuse a run where INDEX is expected: ``--run`` names it."""
    if index is None:
        return
    by_option = f"A run is named by an option: --run {index}"
    if image is not None:
        refuse(f"Expected INDEX or --image, got both ({index} and {image}).", by_option)
    if not re.fullmatch(r"[+-]?\d+", index):
        refuse(f"INDEX must be an integer ≥ 1, got {index}.", by_option)


def _head(result: Prediction) -> str:
    network = f"run {plain(result.run_id)}" if result.run_id else "an untrained network"
    lines = [f"predicted as {plain(result.predicted.name)} by {network}"]
    if result.true is not None:
        image = f"image {result.index} of {plain(result.dataset)} ({result.split})"
        lines.insert(0, f"{image}: {plain(result.true.name)}")
    return "\n".join(lines)


class _Probabilities:
    """The probabilities, the largest first: on a terminal with bars and beside the image."""

    def __init__(self, result: Prediction, images: Sequence[np.ndarray]) -> None:
        self._ranked = sorted(result.probabilities.items(), key=lambda item: -item[1])
        self._true = None if result.true is None else result.true.name
        self._images = images

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not draws(console) or not self._images:
            yield self._table(_BAR)
            return
        picture = Picture(self._images[0], options.max_width // 2)
        left = options.max_width - picture.width - 3
        names = max(cell_len(plain(name)) for name, _ in self._ranked)
        grid = Table.grid(padding=(0, 3))
        grid.add_row(picture, self._table(max(_LEAST_BAR, min(_BAR, left - names - 24))))
        yield grid

    def _table(self, width: int) -> Columns:
        """Return class, probability, bar, and a mark at the true class."""
        rows = [
            [name, f"{value:.4f}", bar(value, width) + (" ◂ true" if name == self._true else "")]
            for name, value in self._ranked
        ]
        return Columns(["class", "probability", ""], rows, right=["probability"], cut=["class"])
