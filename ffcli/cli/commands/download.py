"""``ffnn download``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ffcli.cli.completion import complete_dataset, words
from ffcli.cli.context import context
from ffcli.cli.help import argument, option
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.datasets import KNOWN, source_names
from ffcli.util.text import counted

app = typer.Typer(add_completion=False)

_SOURCE = "Source"


@app.command(cls=Command)
def download(
    ctx: typer.Context,
    *,
    datasets: Annotated[
        list[str] | None,
        argument(
            metavar="DATASET",
            help=f"{', '.join(KNOWN)}.",
            default="fashion_mnist",
            completes=complete_dataset,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        option(
            "--from",
            group=_SOURCE,
            metavar="PATH_OR_URL",
            help="A folder or URL of IDX files (.gz or not), or a Keras-style .npz.",
        ),
    ] = None,
    source: Annotated[
        str,
        option(
            "--source",
            group=_SOURCE,
            metavar="NAME",
            help=f"Where to get it: auto, {', '.join(source_names())}.",
            default="auto",
            completes=words("auto", *source_names()),
        ),
    ] = "auto",
    force: Annotated[
        bool, option("--force", group=_SOURCE, help="Fetch again what is already there.")
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


def _line(document: dict[str, Any]) -> str:
    verified = "verified" if document["verified"] else "not verified"
    return (
        f"{document['dataset']}: {document['train']} training and {counted(document['test'], 'test image')}, "
        f"{verified}, from {plain(document['origin'])}, in {plain(document['path'])}"
    )
