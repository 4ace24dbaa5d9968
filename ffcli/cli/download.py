"""``ffnn download``."""

from __future__ import annotations

from typing import Annotated

import typer

from ffcli.cli.context import context
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.datasets import KNOWN, source_names

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def download(
    ctx: typer.Context,
    *,
    datasets: Annotated[
        list[str] | None,
        typer.Argument(metavar="DATASET…", help=f"{', '.join(KNOWN)} (fashion_mnist when none is named)."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PATH_OR_URL",
            help="A folder or URL of IDX files (.gz or not), or a Keras-style .npz.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str, typer.Option(metavar="NAME", help=f"Where to get it: auto, {', '.join(source_names())}.")
    ] = "auto",
    force: Annotated[
        bool, typer.Option("--force", help="Fetch again what is already there.", show_default=False)
    ] = False,
) -> None:
    """Fetch a dataset and verify every byte of it.

    Known datasets are defined by the SHA-256 of their arrays, so any source of these bytes will do.
    """
    from ffcli.services.download import download as run

    out = Output.of(ctx)
    documents = run(
        context(out), datasets or ["fashion_mnist"], from_=from_, source=source.lower(), force=force
    )
    out.result(documents, *map(_line, documents))


def _line(document: dict[str, object]) -> str:
    verified = "verified" if document["verified"] else "not verified"
    return (
        f"{document['dataset']}: {document['train']} training and {document['test']} test images, "
        f"{verified}, from {plain(document['origin'])}, in {plain(document['path'])}"
    )
