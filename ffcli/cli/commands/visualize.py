"""``ffnn visualize``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderResult

from ffcli.cli.context import context
from ffcli.cli.help import IMAGES, option
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
from ffcli.cli.views.drawing import Gallery, draws
from ffcli.cli.views.evaluation import on_test_images
from ffcli.cli.views.tables import Columns
from ffcli.util.text import counted, percentage

if TYPE_CHECKING:
    import numpy as np

    from ffcli.services.evaluation.images import Illustrated
    from ffcli.services.evaluation.results import Mistakes, Sample, Samples

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def visualize(
    ctx: typer.Context,
    *,
    dataset: Annotated[
        str | None,
        dataset_option(IMAGES, "The dataset of the images.", "fashion_mnist, or that of the --run"),
    ] = None,
    index: Annotated[
        str | None,
        option("--index N", IMAGES, "Show only this image, 1…70000; the training images come first."),
    ] = None,
    seed: Annotated[
        str | None, option("--seed INT", IMAGES, "Seed of the choice of samples.", default=0)
    ] = None,
    misclassified: Annotated[
        bool,
        option(
            "--misclassified",
            IMAGES,
            "Show the test images that a network misclassifies with the highest probability.",
        ),
    ] = False,
    run: NetworkOfRun = None,
    best: NetworkOfBest = False,
    file: Annotated[Path | None, figure_file("visualize-DATASET.png")] = None,
    dpi: Dpi = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Show images of the data, or a network's mistakes."""
    from ffcli.services.evaluation.visualize import visualize as run_visualize
    from ffcli.services.evaluation.visualize import visualize_mistakes

    out = Output.of(ctx)
    options = tracking(wandb, wandb_project, wandb_entity)
    number, chosen_seed = integer("--index", index, least=1), integer("--seed", seed)
    dots = integer("--dpi", dpi)
    if misclassified:
        if index is not None:
            refuse("Expected --index or --misclassified, got both.")
        if seed is not None:
            out.notice("--seed is not used with --misclassified")
        if wandb_project is not None or wandb_entity is not None:
            out.notice("--wandb-project and --wandb-entity are not used: the figure goes to the run at W&B")
        choice = run_choice(out, run, best=best, dataset=dataset)
        track = options.wandb != "disabled"
        shown = visualize_mistakes(context(out), choice, out=file, dpi=dots, track=track)
        _show(out, shown, _mistakes_head(shown.result))
        return
    if run is not None or best:
        out.notice(f"{'--run' if run is not None else '--best'} is not used without --misclassified")
    if seed is not None and index is not None:
        out.notice("--seed is not used with --index")
    _show(
        out,
        run_visualize(
            context(out), options, dataset=dataset, index=number, seed=chosen_seed or 0, out=file, dpi=dots
        ),
    )


def _show(out: Output, shown: Illustrated[Any], head: Sequence[str] = ()) -> None:
    result: Samples | Mistakes = shown.result
    tail = [f"written to {plain(result.png)}"] if result.png else []
    out.result(result, *head, _Gallery(result.samples, shown.images), *tail)


def _mistakes_head(result: Mistakes) -> list[str]:
    head = f"run {plain(result.run_id)} {on_test_images(result.n, result.dataset)}"
    if not result.mistakes:
        return [head, "no mistakes"]
    return [head, f"{counted(result.mistakes, 'mistake')}; those with the highest probability:", ""]


class _Gallery:
    """The images on a terminal, a list of them elsewhere."""

    def __init__(self, samples: Sequence[Sample], images: Sequence[np.ndarray]) -> None:
        self._samples, self._images = samples, images

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from ffcli.plotting.images import columns_for
        from ffcli.services.evaluation.results import Mistake

        if not self._samples:
            return
        if draws(console):
            yield Gallery(self._images, list(map(_caption, self._samples)), columns_for(len(self._images)))
            return
        heads = ["image", "split", "label", "class"]
        rows = [[sample.index, sample.split, sample.label, sample.name] for sample in self._samples]
        mistakes = [sample for sample in self._samples if isinstance(sample, Mistake)]
        if mistakes:
            heads += ["predicted as", "probability"]
            for row, mistake in zip(rows, mistakes):
                row += [mistake.predicted.name, f"{mistake.probability:.4f}"]
        yield Columns(heads, rows, right=["image", "label", "probability"])


def _caption(sample: Sample) -> list[str]:
    from ffcli.services.evaluation.results import Mistake

    number = f"#{sample.index}"
    if not isinstance(sample, Mistake):
        return [sample.name, number]
    return [sample.name, f"→ {sample.predicted.name}", f"{percentage(sample.probability, 1)}  {number}"]
