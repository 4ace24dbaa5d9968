"""``ffnn download``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ffcli.cli.completion import complete_dataset, words
from ffcli.cli.context import context
from ffcli.cli.help import argument, option
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command
from ffcli.cli.text import plain
from ffcli.datasets import KNOWN, source_names
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.datasets import Fetched

app = typer.Typer(add_completion=False)

_SOURCE = "Source"


@app.command(cls=Command)
def download(
    ctx: typer.Context,
    *,
    datasets: Annotated[
        list[str] | None,
        argument(
            "DATASET",
            f"Datasets to fetch: {', '.join(KNOWN)}.",
            default="fashion_mnist",
            completes=complete_dataset,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        option(
            "--from PATH_OR_URL",
            _SOURCE,
            "Read this folder (also torchvision's), zip archive or URL of IDX files, or Keras-style .npz.",
        ),
    ] = None,
    source: Annotated[
        str,
        option(
            "--source NAME",
            _SOURCE,
            f"The source: auto, {', '.join(source_names())}.",
            default="auto",
            completes=words("auto", *source_names()),
        ),
    ] = "auto",
    force: Annotated[
        bool, option("--force", _SOURCE, "Fetch the dataset again even if it is stored.")
    ] = False,
) -> None:
    """Fetch a dataset and verify every byte of it.

    A known dataset is defined by the SHA-256 of its arrays, so it can come from any source of these bytes.
    """
    from ffcli.services.download import download as run

    out = Output.of(ctx)
    found = run(context(out), datasets or ["fashion_mnist"], from_=from_, source=source.lower(), force=force)
    out.result(found, *map(_line, found))


def _line(fetched: Fetched) -> str:
    verified = "verified" if fetched.verified else "not verified"
    return (
        f"{fetched.dataset}: {fetched.train:,} training and {counted(fetched.test, 'test image')}, "
        f"{verified}, from {plain(fetched.origin)}, in {plain(fetched.path)}"
    )
