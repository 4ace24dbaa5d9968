"""Options and arguments that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ffcli.cli.completion import (
    complete_dataset,
    complete_metric,
    complete_run,
    complete_status,
    complete_sweep,
    names_in,
)
from ffcli.cli.help import CHOICE, IMAGES, NETWORK, OUTPUT, WANDB, argument, option
from ffcli.cli.output import Output
from ffcli.cli.values import one_of

if TYPE_CHECKING:
    from ffcli.training.context import Context

# Which runs

RUN_HELP = "The id of a run, its unique beginning or end, or its name."
RunId = Annotated[str, argument(metavar="RUN", help=RUN_HELP, completes=complete_run)]
OptionalRunId = Annotated[str | None, argument(metavar="RUN", help=RUN_HELP, completes=complete_run)]
RunIds = Annotated[
    list[str] | None,
    argument(
        metavar="RUN", help="Ids of runs, their unique beginnings or ends, or names.", completes=complete_run
    ),
]
_run_option = option("--run", group=CHOICE, metavar="RUN", help="The same as RUN.", completes=complete_run)
RunByOption = Annotated[str | None, _run_option]
RunsByOption = Annotated[list[str] | None, _run_option]
SweepId = Annotated[
    str,
    argument(
        metavar="SWEEP",
        help="The id of a sweep, its unique beginning or end, or its name; entity/project/id at W&B.",
        completes=complete_sweep,
    ),
]
Best = Annotated[bool, option("--best", group=CHOICE, help="The best finished run of one dataset.")]
MetricName = Annotated[
    str | None,
    option(
        "--metric",
        group=CHOICE,
        metavar="NAME",
        help="Rank by this metric: val_acc, val_loss, …",
        default="the sweep's own, else val_acc",
        completes=complete_metric,
    ),
]
BestOfSweep = Annotated[
    str | None,
    option(
        "--sweep",
        group=CHOICE,
        metavar="SWEEP",
        help="The best run of this sweep; entity/project/id at W&B.",
        completes=complete_sweep,
    ),
]
TestDataset = Annotated[
    str | None,
    option(
        "--dataset",
        "-d",
        group=CHOICE,
        metavar="NAME",
        help="The best run on this dataset; with a RUN: evaluate it on these test images.",
        default="fashion_mnist; the run's own",
        completes=complete_dataset,
    ),
]
BestDataset = Annotated[
    str | None,
    option(
        "--dataset",
        "-d",
        group=CHOICE,
        metavar="NAME",
        help="The best run on this dataset.",
        default="fashion_mnist",
        completes=complete_dataset,
    ),
]
Tag = Annotated[str | None, option("--tag", group=CHOICE, metavar="TEXT", help="Only runs with this tag.")]
Status = Annotated[
    str | None,
    option(
        "--status",
        group=CHOICE,
        metavar="NAME",
        help="Only finished, interrupted, damaged, … runs.",
        completes=complete_status,
    ),
]
OnDataset = Annotated[
    str | None,
    option(
        "--dataset",
        "-d",
        group=CHOICE,
        metavar="NAME",
        help="Only runs on this dataset.",
        completes=complete_dataset,
    ),
]
OfSweep = Annotated[
    str | None,
    option(
        "--sweep", group=CHOICE, metavar="SWEEP", help="Only runs of this sweep.", completes=complete_sweep
    ),
]
NetworkOfRun = Annotated[
    str | None,
    option("--run", group=NETWORK, metavar="RUN", help="The network of this run.", completes=complete_run),
]
NetworkOfBest = Annotated[
    bool, option("--best", group=NETWORK, help="The network of the best run, as without --run.")
]


def best_options(
    out: Output, place: Context, *, best: bool, metric: str | None, sweep: str | None
) -> str | None:
    """Return the id of the sweep whose best run is chosen, if any, and give notice of unused options."""
    unused = {"--metric": metric, "--sweep": sweep}
    if not best:
        for flag, value in unused.items():
            if value is not None:
                out.notice(f"{flag} is not used without --best")
    if sweep is None:
        return None
    from ffcli.services.sweeps.find import sweep_called

    return sweep_called(place, sweep)


def image_dataset(default: str) -> Any:
    """Declare ``--dataset`` of the commands that show images."""
    return option(
        "--dataset",
        "-d",
        group=IMAGES,
        metavar="NAME",
        help="The dataset of the images.",
        default=default,
        completes=complete_dataset,
    )


# Results


def out_file(help: str, default: str | None = None) -> Any:
    """Declare ``--out`` of a command: the file that it writes."""
    return option("--out", "-o", group=OUTPUT, metavar="FILE", help=help, default=default)


def figure_file(default: str | None = None) -> Any:
    """Declare ``--out`` of a command that draws; its file goes through `plotting.style.check_figure`."""
    return out_file("The figure: PNG, SVG or PDF by the ending.", default)


Dpi = Annotated[
    str | None, option("--dpi", group=OUTPUT, metavar="N", help="Dots per inch of the figure.", default=150)
]
CsvFile = Annotated[Path | None, option("--csv", group=OUTPUT, metavar="FILE", help="Write CSV as well.")]

# Weights & Biases

WandbMode = Annotated[
    str | None,
    option(
        "--wandb",
        group=WANDB,
        metavar="MODE",
        help="auto (online where a key is configured), online, offline or disabled.",
        default="auto",
        completes=names_in("ffcli.tracking.modes", "REQUESTS"),
    ),
]
WandbProject = Annotated[
    str | None,
    option(
        "--wandb-project", "-wp", "-w_p", group=WANDB, metavar="NAME", help="The project.", default="ffnn"
    ),
]
WandbEntity = Annotated[
    str | None,
    option(
        "--wandb-entity",
        "-we",
        "-w_e",
        group=WANDB,
        metavar="NAME",
        help="The team or user.",
        default="your own",
    ),
]
LogModel = Annotated[
    bool, option("--log-model", group=WANDB, help="Store the network at W&B as an artifact.")
]


def wandb_mode(given: str | None, default: str = "auto") -> str:
    """Return the mode that ``--wandb`` names. Raises RequestError for another."""
    from ffcli.tracking.modes import REQUESTS

    return default if given is None else one_of("--wandb", given, REQUESTS)
