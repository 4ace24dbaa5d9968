"""``ffnn runs``: list, show, compare, rm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from ffcli.cli.context import context
from ffcli.cli.errors import FAILED
from ffcli.cli.output import Output, refuse
from ffcli.cli.parsing import Command, Group
from ffcli.cli.tables import Columns, pairs
from ffcli.cli.text import duration, number, plain
from ffcli.cli.tracking import WandbEntity, WandbMode, WandbProject, wandb_mode
from ffcli.cli.values import integer

app = typer.Typer(cls=Group, add_completion=False, subcommand_metavar="COMMAND …")


@app.callback()
def _runs() -> None:
    """List, show, compare and remove stored runs."""


@app.command("list", cls=Command)
def list_(
    ctx: typer.Context,
    *,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD", help="A metric (the best first), started (the latest first), or another field."
        ),
    ] = None,
    limit: Annotated[str | None, typer.Option(metavar="N", help="At most so many.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TEXT", help="Only runs with this tag.")] = None,
    status: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only finished, running, interrupted, … runs.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", metavar="NAME", help="Only runs on this dataset.")
    ] = None,
    sweep: Annotated[str | None, typer.Option(metavar="ID", help="Only runs of this sweep.")] = None,
) -> None:
    """List the stored runs."""
    from ffcli.services.runs import list_runs

    out = Output.of(ctx)
    place, sweep_id = context(out), None
    if sweep is not None:
        from ffcli.services.sweep import find

        sweep_id = find(place, sweep)
    documents = list_runs(
        place,
        sort=sort,
        limit=integer("--limit", limit, least=1),
        tag=tag,
        status=status,
        dataset=dataset,
        sweep_id=sweep_id,
    )
    if not documents and not out.settings.json:
        out.notice(f"no such runs in {out.settings.runs_dir}")
        return
    out.result(
        documents,
        Columns(
            ["run", "status", "val_acc", "epoch", "time", "dataset", "name", "tags"],
            map(_row, documents),
            right=["val_acc", "epoch", "time"],
            cut=["dataset", "name", "tags"],
        ),
    )


def _row(document: dict[str, Any]) -> list[Any]:
    best = document["best_epoch"]
    return [
        document["run_id"],
        document["status"],
        number(document["best_val_acc"]),
        "–" if best is None else f"{best}/{document['config'].get('epochs', '?')}",
        duration(document["seconds"]),
        Path(document["dataset"]).name,
        document["name"],
        document["tags"],
    ]


@app.command(cls=Command)
def show(ctx: typer.Context, run: Annotated[str, typer.Argument(metavar="RUN")]) -> None:
    """Show one run with its configuration and its epochs."""
    from ffcli.runs.record import METRICS
    from ffcli.services.runs import show_run

    out = Output.of(ctx)
    document = show_run(context(out), run)
    about = {
        "run": document["run_id"],
        "name": document["name"],
        "status": document["status"],
        "error": document.get("error"),
        "tags": document.get("tags"),
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
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN", help="Two to six runs.")],
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also show in what they are the same.", show_default=False)
    ] = False,
    png: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The learning curves (runs-compare.png)."),
    ] = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Set runs side by side: where they differ, their best epochs, and their learning curves in a figure."""
    from ffcli.services.compare_runs import compare_runs, log
    from ffcli.services.running import RunOptions

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
    collapsed = f"the same in all: {len(same)} other hyper-parameters (--all shows them)"
    parts: list[RenderableType] = [Columns(["", "run", "status", "name"], legend, cut=["name"]), ""]
    if rows:
        parts += [Columns(["", "", *shorts], rows, right=shorts, cut=shorts), ""]
    else:
        parts += ["the configurations are the same", ""]
    parts.append(Columns(["", *shorts], figures, right=shorts, cut=shorts))
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


@app.command(cls=Command)
def rm(
    ctx: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", show_default=False)] = False,
) -> None:
    """Remove runs from the store, with their networks."""
    from ffcli.services.runs import remove_runs, show_run

    out = Output.of(ctx)
    if not yes:
        found = [show_run(context(out), run)["run_id"] for run in runs]
        if not out.can_ask:
            refuse("runs rm asks before it removes, and nobody is here to ask: give --yes.")
        if not out.ask(f"Remove {', '.join(found)}?"):
            out.notice("nothing was removed")
            raise typer.Exit(FAILED)
    removed = remove_runs(context(out), runs)
    out.result({"removed": removed}, *(f"removed {plain(run)}" for run in removed))
