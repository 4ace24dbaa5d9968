"""``ffnn predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ffcli.cli.context import context
from ffcli.cli.options import configure, given
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command
from ffcli.cli.tables import Columns
from ffcli.cli.text import plain
from ffcli.cli.values import integer

app = typer.Typer(add_completion=False)

_BAR = 30  # columns of a certain prediction's bar


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, show_default=False, **settings)


@app.command(cls=Command)
def predict(
    ctx: typer.Context,
    *,
    index: Annotated[
        str | None,
        typer.Argument(
            metavar="INDEX", help="1…70000: the training images, then the test images.", show_default=False
        ),
    ] = None,
    image: Annotated[
        Path | None, _option("--image", metavar="FILE", help="A PNG or JPEG of your own instead.")
    ] = None,
    invert: Annotated[
        bool | None,
        _option(
            "--invert", help="Turn light and dark of the --image round (--no-invert: it is right as it is)."
        ),
    ] = None,
    run: Annotated[str | None, _option("--run", metavar="ID", help="The network of this run.")] = None,
    best: Annotated[bool, _option("--best", help="The network of the best run, as without --run.")] = False,
    hidden_size: Annotated[
        str | None,
        _option(
            "--hidden-size", "-sz", metavar="SIZE[,SIZE…]", help="An untrained network with these layers."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        _option("--dataset", "-d", metavar="NAME", help="Whose images (those of the run's dataset)."),
    ] = None,
) -> None:
    """Show the class probabilities of one image."""
    from ffcli.services.predict import predict as run_predict

    out = Output.of(ctx)
    if invert is not None and image is None:
        out.notice("--invert is not used without --image")
    flags = given({"hidden_size": hidden_size, "dataset": dataset})
    document = run_predict(
        context(out),
        index=integer("INDEX", index, least=1),
        image=image,
        invert=invert,
        run=run,
        best=best,
        untrained=configure(None, flags) if hidden_size is not None else None,
        dataset=dataset,
    )
    out.result(document, _head(document), _probabilities(document))


def _head(document: dict[str, Any]) -> str:
    network = f"run {plain(document['run_id'])}" if document["run_id"] else "an untrained network"
    guess = f"{network} takes it for: {plain(document['predicted']['name'])}"
    if document["index"] is None:
        return guess
    return (
        f"image {document['index']} of {plain(document['dataset'])} ({document['split']}): "
        f"{plain(document['true']['name'])}\n{guess}"
    )


def _probabilities(document: dict[str, Any]) -> Any:
    ranked = sorted(document["probabilities"].items(), key=lambda item: -item[1])
    return Columns(
        ["class", "probability", ""],
        [[name, f"{value:.4f}", "█" * round(value * _BAR)] for name, value in ranked],
        right=["probability"],
    )
