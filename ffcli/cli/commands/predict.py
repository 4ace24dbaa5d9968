"""``ffnn predict``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from ffcli.cli.completion import complete_dataset, complete_run
from ffcli.cli.context import context
from ffcli.cli.help import IMAGES, NETWORK, OUTPUT, argument, option
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.cli.tracking import WandbEntity, WandbMode, WandbProject, wandb_mode
from ffcli.cli.values import integer
from ffcli.cli.views.drawing import Picture, bar, draws
from ffcli.cli.views.tables import Columns

if TYPE_CHECKING:
    import numpy as np

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
        str | None,
        argument(metavar="INDEX", help="1…70000: the training images, then the test images."),
    ] = None,
    image: Annotated[
        Path | None,
        option(
            "--image", group=IMAGES, metavar="FILE", help="A picture of your own instead: PNG, JPEG, TIFF, …"
        ),
    ] = None,
    invert: Annotated[
        bool | None,
        option(
            "--invert",
            group=IMAGES,
            help="Exchange light and dark of the --image; --no-invert: leave them; --invert auto: where its "
            "background is not as the dataset's.",
            default="auto",
        ),
    ] = None,
    run: Annotated[
        str | None,
        option(
            "--run", group=NETWORK, metavar="RUN", help="The network of this run.", completes=complete_run
        ),
    ] = None,
    best: Annotated[
        bool, option("--best", group=NETWORK, help="The network of the best run, as without --run.")
    ] = False,
    hidden_size: Annotated[
        str | None,
        option(
            "--hidden-size",
            "-sz",
            group=NETWORK,
            metavar="SIZE[,SIZE…]",
            help="An untrained network with these layers.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        option(
            "--dataset",
            "-d",
            group=IMAGES,
            metavar="NAME",
            help="Whose images.",
            default="those of the run's dataset",
            completes=complete_dataset,
        ),
    ] = None,
    out_file: Annotated[
        Path | None,
        option("--out", "-o", group=OUTPUT, metavar="FILE", help="Draw image and chart as a PNG too."),
    ] = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Show the class probabilities of one image.

    What --out draws also goes to W&B: to the run there, or of an untrained network as a run of its own.
    """
    from ffcli.cli.options import configure, given  # with NumPy, which Tab need not wait for
    from ffcli.cli.views.progress import watcher
    from ffcli.services.evaluation.predict import predict as run_predict
    from ffcli.training.options import RunOptions

    out = Output.of(ctx)
    mode = wandb_mode(wandb)
    if out_file is None and (wandb is not None or wandb_project is not None or wandb_entity is not None):
        out.notice("--wandb, --wandb-project and --wandb-entity are not used without --out")
    elif hidden_size is None and (wandb_project is not None or wandb_entity is not None):
        out.notice("a run's prediction goes to where W&B has the run, whatever project is named")
    if invert is not None and image is None:
        out.notice("--invert is not used without --image")
    flags = given({"hidden_size": hidden_size, "dataset": dataset})
    shown = run_predict(
        context(out),
        RunOptions(wandb=mode, wandb_project=wandb_project, wandb_entity=wandb_entity),
        index=integer("INDEX", index, least=1),
        image=image,
        invert=invert,
        run=run,
        best=best,
        untrained=configure(None, flags) if hidden_size is not None else None,
        dataset=dataset,
        out=out_file,
        watcher=watcher(out),
        command_line=out.settings.command_line,
    )
    document = shown.document
    tail = [f"written to {plain(document['png'])}"] if document["png"] else []
    out.result(document, _head(document), _Prediction(document, shown.images), *tail)


def _head(document: dict[str, Any]) -> str:
    network = f"run {plain(document['run_id'])}" if document["run_id"] else "an untrained network"
    guess = f"{network} predicts: {plain(document['predicted']['name'])}"
    if document["index"] is None:
        return guess
    return (
        f"image {document['index']} of {plain(document['dataset'])} ({document['split']}): "
        f"{plain(document['true']['name'])}\n{guess}"
    )


class _Prediction:
    """The probabilities, the largest first: on a terminal with bars and beside the image."""

    def __init__(self, document: dict[str, Any], images: Sequence[np.ndarray]) -> None:
        self._ranked = sorted(document["probabilities"].items(), key=lambda item: -item[1])
        self._true = None if document["true"] is None else document["true"]["name"]
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
        """Return class, probability, bar, and a mark at the class that it is."""
        rows = [
            [name, f"{value:.4f}", bar(value, width) + (" ◂ true" if name == self._true else "")]
            for name, value in self._ranked
        ]
        return Columns(["class", "probability", ""], rows, right=["probability"], cut=["class"])
