"""``ffnn visualize``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderResult

from ffcli.cli.completion import complete_dataset, complete_run
from ffcli.cli.context import context
from ffcli.cli.help import IMAGES, NETWORK, OUTPUT, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.cli.tracking import WandbEntity, WandbMode, WandbProject, wandb_mode
from ffcli.cli.values import integer
from ffcli.cli.views.drawing import Gallery, draws
from ffcli.cli.views.evaluation import judged_on
from ffcli.cli.views.tables import Columns
from ffcli.util.text import counted

if TYPE_CHECKING:
    import numpy as np

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def visualize(
    ctx: typer.Context,
    *,
    dataset: Annotated[
        str | None,
        option(
            "--dataset",
            "-d",
            group=IMAGES,
            metavar="NAME",
            help="Whose images.",
            default="fashion_mnist, or those of the --run",
            completes=complete_dataset,
        ),
    ] = None,
    index: Annotated[
        str | None,
        option(
            "--index",
            group=IMAGES,
            metavar="N",
            help="This image alone, 1…70000: the training images come first.",
        ),
    ] = None,
    seed: Annotated[
        str | None,
        option("--seed", group=IMAGES, metavar="INT", help="Picks other samples.", default=0),
    ] = None,
    misclassified: Annotated[
        bool,
        option(
            "--misclassified",
            group=IMAGES,
            help="The test images that a network gets wrong with the most certainty.",
        ),
    ] = False,
    run: Annotated[
        str | None,
        option(
            "--run",
            group=NETWORK,
            metavar="RUN",
            help="Of --misclassified: the network of this run.",
            completes=complete_run,
        ),
    ] = None,
    best: Annotated[
        bool,
        option(
            "--best", group=NETWORK, help="Of --misclassified: the network of the best run, as without --run."
        ),
    ] = False,
    out_file: Annotated[
        Path | None,
        option("--out", "-o", group=OUTPUT, metavar="FILE", help="The PNG.", default="visualize-DATASET.png"),
    ] = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Show images of the data, or a network's mistakes."""
    from ffcli.services.evaluation.visualize import visualize as run_visualize
    from ffcli.services.evaluation.visualize import visualize_mistakes
    from ffcli.training.options import RunOptions

    out = Output.of(ctx)
    mode = wandb_mode(wandb)
    number, chosen_seed = integer("--index", index, least=1), integer("--seed", seed)
    if misclassified:
        if index is not None:
            refuse("Give --index or --misclassified, not both.")
        if run is not None and best:
            refuse("Give --run or --best, not both.")
        if seed is not None:
            out.notice("--seed is not used with --misclassified")
        if wandb_project is not None or wandb_entity is not None:
            out.notice("--misclassified goes to where W&B has the run, whatever project is named")
        shown = visualize_mistakes(
            context(out), run=run, dataset=dataset, out=out_file, track=mode != "disabled"
        )
    else:
        if run is not None or best:
            out.notice(f"{'--run' if run is not None else '--best'} is not used without --misclassified")
        if seed is not None and index is not None:
            out.notice("--seed is not used with --index")
        options = RunOptions(wandb=mode, wandb_project=wandb_project, wandb_entity=wandb_entity)
        shown = run_visualize(
            context(out), options, dataset=dataset, index=number, seed=chosen_seed or 0, out=out_file
        )
    document = shown.document
    tail = [f"written to {plain(document['png'])}"] if document["png"] else []
    out.result(document, *_head(document), _Samples(document["samples"], shown.images), *tail)


def _head(document: dict[str, Any]) -> list[str]:
    if "mistakes" not in document:
        return []
    head = f"run {plain(document['run_id'])} {judged_on(document)}"
    if not document["mistakes"]:
        return [head, "no mistakes"]
    return [head, f"{counted(document['mistakes'], 'mistake')}; those that it is most certain of:", ""]


class _Samples:
    """The images on a terminal, a list of them elsewhere."""

    def __init__(self, samples: Sequence[dict[str, Any]], images: Sequence[np.ndarray]) -> None:
        self._samples, self._images = samples, images

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._samples:
            return
        if draws(console):
            from ffcli.plotting.images import columns_for

            yield Gallery(self._images, list(map(_caption, self._samples)), columns_for(len(self._images)))
            return
        heads = ["image", "split", "label", "class"]
        rows = [
            [sample["index"], sample["split"], sample["label"], sample["name"]] for sample in self._samples
        ]
        if "predicted" in self._samples[0]:
            heads += ["taken for", "probability"]
            for row, sample in zip(rows, self._samples):
                row += [sample["predicted"]["name"], f"{sample['probability']:.4f}"]
        yield Columns(heads, rows, right=["image", "label", "probability"])


def _caption(sample: dict[str, Any]) -> list[str]:
    place = f"#{sample['index']}"
    if "predicted" not in sample:
        return [sample["name"], place]
    guess = f"→ {sample['predicted']['name']}"
    return [sample["name"], guess, f"{sample['probability']:.1%}  {place}"]
