"""``ffnn runs``: list, show, compare, rm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from ffcli.cli.commands.runs_rm import rm
from ffcli.cli.completion import complete_run, names_in
from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, OUTPUT, argument, option
from ffcli.cli.output import Output
from ffcli.cli.parsing import Command, Group
from ffcli.cli.runs_chosen import DatasetName, Status, SweepName, Tag, table
from ffcli.cli.text import duration, number, plain
from ffcli.cli.tracking import WandbEntity, WandbMode, WandbProject, wandb_mode
from ffcli.cli.values import integer
from ffcli.cli.views.tables import Columns, pairs
from ffcli.util.text import counted

app = typer.Typer(cls=Group, add_completion=False, subcommand_metavar="COMMAND …")

_one_run = argument(
    metavar="RUN", help="The id of a run, or its unique beginning or end.", completes=complete_run
)


@app.callback()
def _runs() -> None:
    """List, show, compare and remove stored runs."""


@app.command("list", cls=Command)
def list_(
    ctx: typer.Context,
    *,
    sort: Annotated[
        str | None,
        option(
            "--sort",
            group=CHOICE,
            metavar="FIELD",
            help="A metric (the best first), started (the latest first), or another field.",
            default="started",
            completes=names_in("ffcli.runs.record", "METRICS", "started"),
        ),
    ] = None,
    limit: Annotated[
        str | None, option("--limit", group=CHOICE, metavar="N", help="At most so many.", default="all")
    ] = None,
    tag: Tag = None,
    status: Status = None,
    dataset: DatasetName = None,
    sweep: SweepName = None,
) -> None:
    """List the stored runs."""
    from ffcli.services.runs.listing import list_runs

    out = Output.of(ctx)
    place = context(out)
    documents = list_runs(
        place,
        sort=sort,
        limit=integer("--limit", limit, least=1),
        tag=tag,
        status=status,
        dataset=dataset,
        sweep=sweep,
    )
    if not documents and not out.settings.json:
        out.notice(f"no such runs in {out.settings.runs_dir}")
        return
    out.result(documents, table(documents))


@app.command(cls=Command)
def show(ctx: typer.Context, run: Annotated[str, _one_run]) -> None:
    """Show one run with its configuration and its epochs."""
    from ffcli.runs.record import METRICS
    from ffcli.services.runs.listing import show_run

    out = Output.of(ctx)
    document = show_run(context(out), run)
    about = {
        "run": document["run_id"],
        "name": document["name"],
        "status": document["status"],
        "error": document.get("error"),
        "tags": document.get("tags"),
        "recipe": document.get("recipe"),
        "started": document.get("started"),
        "time": duration(document["seconds"]),
        "best epoch": document["best_epoch"],
        "best val_acc": number(document["best_val_acc"]),
        "parameters": document.get("parameters"),
        "path": document["path"],
    }
    out.result(
        document,
        pairs({name: value for name, value in about.items() if value not in (None, [])}),
        "",
        pairs(document["config"]),
        "",
        Columns(
            ["epoch", *METRICS, "time"],
            [
                [row["epoch"], *(number(row[metric]) for metric in METRICS), duration(row["seconds"])]
                for row in document["epochs"]
            ],
            right=["epoch", *METRICS, "time"],
        ),
    )


@app.command(cls=Command)
def compare(
    ctx: typer.Context,
    runs: Annotated[list[str], argument(metavar="RUN RUN", help="Two to six runs.", completes=complete_run)],
    *,
    everything: Annotated[
        bool, option("--all", group=OUTPUT, help="Also show in what they are the same.")
    ] = False,
    png: Annotated[
        Path | None,
        option(
            "--out",
            "-o",
            group=OUTPUT,
            metavar="FILE",
            help="The learning curves, a PNG.",
            default="runs-compare.png",
        ),
    ] = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Set runs side by side: where they differ, their best epochs, and their learning curves in a figure."""
    from ffcli.services.runs.compare import compare_runs, log
    from ffcli.training.options import RunOptions

    out = Output.of(ctx)
    place = context(out)
    options = RunOptions(wandb=wandb_mode(wandb), wandb_project=wandb_project, wandb_entity=wandb_entity)
    documents = compare_runs(place, runs, png)
    log(place, documents, options)
    out.result(documents, *_comparison(documents, everything))


def _comparison(documents: list[dict[str, Any]], everything: bool) -> list[RenderableType]:
    from ffcli.runs.record import METRICS

    shorts = [document["short"] for document in documents]
    legend = [
        [document["short"], document["run_id"], document["status"], document["name"]]
        for document in documents
    ]
    different = list(documents[0]["different"])
    same = [name for name in documents[0]["config"] if name not in different]
    rows: list[list[Any]] = [["≠", name, *_values(documents, name)] for name in different]
    if everything:
        rows += [["", name, *_values(documents, name)] for name in same]
    figures: list[list[Any]] = [
        ["best epoch", *(document["best_epoch"] for document in documents)],
        *(
            [metric, *(number((document["at_best"] or {}).get(metric)) for document in documents)]
            for metric in METRICS
        ),
        ["time", *(duration(document["seconds"]) for document in documents)],
    ]
    collapsed = f"the same in all: {counted(len(same), 'other hyper-parameter')} (--all shows them)"
    parts: list[RenderableType] = [Columns(["", "run", "status", "name"], legend), ""]
    if rows:
        parts += [Columns(["", "", *shorts], rows, right=shorts), ""]
    else:
        parts += ["the configurations are the same", ""]
    parts.append(Columns(["", *shorts], figures, right=shorts))
    if not everything:
        parts += ["", collapsed]
    if documents[0]["png"]:
        parts += ["", f"learning curves: {plain(documents[0]['png'])}"]
    return parts


def _values(documents: list[dict[str, Any]], name: str) -> list[Any]:
    values = [document["config"].get(name) for document in documents]
    if name == "dataset":  # without its folder, unless that is the difference
        short = [Path(str(value)).name for value in values]
        return short if len(set(short)) == len(set(map(str, values))) else values
    return values


app.command(cls=Command)(rm)
