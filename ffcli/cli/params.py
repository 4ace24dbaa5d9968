"""Options and arguments that several commands share, each declared once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from ffcli.cli.completion import (
    complete_dataset,
    complete_metric,
    complete_run,
    complete_status,
    complete_sweep,
    names_in,
)
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED
from ffcli.cli.help import CHOICE, NETWORK, OUTPUT, SAFETY, WANDB, argument, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.values import one_of

if TYPE_CHECKING:
    from ffcli.services.evaluation.best import RunChoice
    from ffcli.training.options import RunOptions

# Which runs

RUN_HELP = "The id of a run, its unique beginning or end, or its name."
RunId = Annotated[str, argument("RUN", RUN_HELP, completes=complete_run)]
OptionalRunId = Annotated[str | None, argument("RUN", RUN_HELP, completes=complete_run)]
RunIds = Annotated[
    list[str] | None,
    argument("RUN", "Ids of runs, their unique beginnings or ends, or names.", completes=complete_run),
]
_run_option = option("--run RUN", CHOICE, "The same as RUN.", completes=complete_run)
RunByOption = Annotated[str | None, _run_option]
RunsByOption = Annotated[list[str] | None, _run_option]
SweepId = Annotated[
    str | None,
    argument(
        "SWEEP",
        "The id of a sweep, its unique beginning or end, or its name; entity/project/id at W&B.",
        completes=complete_sweep,
    ),
]
Best = Annotated[bool, option("--best", CHOICE, "The best finished run of one dataset.")]
MetricName = Annotated[
    str | None,
    option(
        "--metric NAME",
        CHOICE,
        "Rank by this metric: val_acc, val_loss, …",
        default="the sweep's own, else val_acc",
        completes=complete_metric,
    ),
]
BestOfSweep = Annotated[
    str | None,
    option(
        "--sweep SWEEP",
        CHOICE,
        "The best run of this sweep; entity/project/id at W&B.",
        completes=complete_sweep,
    ),
]


def dataset_option(group: str, help: str, default: str | None = None) -> Any:
    """Declare ``--dataset`` of a command that does not train a configuration of its own."""
    return option("--dataset -d NAME", group, help, default=default, completes=complete_dataset)


TestDataset = Annotated[
    str | None,
    dataset_option(
        CHOICE,
        "The best run on this dataset; with a RUN, evaluate it on the test images of this dataset.",
        "fashion_mnist; the run's own",
    ),
]
BestDataset = Annotated[str | None, dataset_option(CHOICE, "The best run on this dataset.", "fashion_mnist")]
OnDataset = Annotated[str | None, dataset_option(CHOICE, "Only runs on this dataset.")]
Tag = Annotated[str | None, option("--tag TEXT", CHOICE, "Only runs with this tag.")]
Status = Annotated[
    str | None,
    option(
        "--status NAME",
        CHOICE,
        "Only runs with this status: finished, interrupted, damaged, …",
        completes=complete_status,
    ),
]
OfSweep = Annotated[
    str | None, option("--sweep SWEEP", CHOICE, "Only runs of this sweep.", completes=complete_sweep)
]
NetworkOfRun = Annotated[
    str | None, option("--run RUN", NETWORK, "The network of this run.", completes=complete_run)
]
NetworkOfBest = Annotated[bool, option("--best", NETWORK, "The network of the best run, as without --run.")]


def run_choice(
    out: Output,
    run: str | None = None,
    *,
    best: bool,
    metric: str | None = None,
    sweep: str | None = None,
    dataset: str | None = None,
) -> RunChoice:
    """Return the choice of one run, and give notice of options that only choose the best one."""
    from ffcli.cli.views.progress import training_view
    from ffcli.services.evaluation.best import RunChoice
    from ffcli.services.sweeps.find import sweep_called

    if not best:
        for flag, value in {"--metric": metric, "--sweep": sweep}.items():
            if value is not None:
                out.notice(f"{flag} is not used without --best")
        metric = sweep = None
    return RunChoice(
        run,
        best,
        metric,
        dataset,
        sweep_id=None if sweep is None else sweep_called(context(out), sweep),
        on_event=training_view(out),
        command_line=out.settings.command_line,
    )


# Removal

DryRun = Annotated[bool, option("--dry-run", SAFETY, "Show what would be removed.")]
Yes = Annotated[bool, option("--yes -y", SAFETY, "Remove without asking.")]


def confirm_removal(out: Output, command: str, question: str, listed: RenderableType | None = None) -> None:
    """Show what is ``listed`` and ask whether to remove it; end with exit code 1 where the answer is no.

    Raises RequestError where nobody is there to answer.
    """
    if not out.can_ask:
        refuse(f"{command}: not a terminal: confirm with --yes.")
    if listed is not None:
        out.stderr.print(listed)
    if not out.ask(question):
        out.notice("nothing was removed")
        raise typer.Exit(FAILED)


# Results


def out_file(help: str, default: str | None = None) -> Any:
    """Declare ``--out`` of a command: the file that it writes."""
    return option("--out -o FILE", OUTPUT, help, default=default)


def figure_file(default: str | None = None) -> Any:
    """Declare ``--out`` of a command that draws; its file goes through `services.outputs.check_figure`."""
    return out_file("The figure: PNG, SVG or PDF by the ending.", default)


Dpi = Annotated[str | None, option("--dpi N", OUTPUT, "Dots per inch of the figure.", default=150)]
CsvFile = Annotated[Path | None, option("--csv FILE", OUTPUT, "Also write CSV.")]

# Weights & Biases

WandbMode = Annotated[
    str | None,
    option(
        "--wandb MODE",
        WANDB,
        "Tracking by W&B: auto (online where a key is configured), online, offline or disabled.",
        default="auto",
        completes=names_in("ffcli.tracking.modes", "REQUESTS"),
    ),
]
WandbProject = Annotated[
    str | None, option("--wandb-project -wp -w_p NAME", WANDB, "W&B project.", default="ffnn")
]
WandbEntity = Annotated[
    str | None, option("--wandb-entity -we -w_e NAME", WANDB, "W&B team or user.", default="your own")
]
LogModel = Annotated[bool, option("--log-model", WANDB, "Store the network at W&B as an artifact.")]


def wandb_mode(given: str | None, default: str = "auto", modes: Sequence[str] = ()) -> str:
    """Return the mode that ``--wandb`` names, one of ``modes``, by default of all.

    Raises RequestError for another, and for online without a key.
    """
    from ffcli.tracking.modes import REQUESTS, check_key

    if given is None:
        return default
    mode = one_of("--wandb", given, modes or REQUESTS)
    check_key(mode)
    return mode


def tracking(
    mode: str | None, project: str | None, entity: str | None, *, default: str = "auto", **more: Any
) -> RunOptions:
    """Return what the options of W&B say, and ``more``. Raises RequestError as `wandb_mode`."""
    from ffcli.training.options import RunOptions

    chosen = wandb_mode(mode, default)
    return RunOptions(wandb=chosen, wandb_project=project, wandb_entity=entity, **more)
