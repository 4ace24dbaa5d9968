"""``ffnn sweeps rm``."""

from __future__ import annotations

from typing import Annotated

import typer

from ffcli.cli.completion import complete_sweep
from ffcli.cli.context import context
from ffcli.cli.help import CHOICE, argument, option
from ffcli.cli.output import Output
from ffcli.cli.params import DryRun, Yes, confirm_removal
from ffcli.cli.text import plain
from ffcli.util.text import counted


def rm(
    ctx: typer.Context,
    sweeps: Annotated[
        list[str],
        argument(
            metavar="SWEEP",
            help="Ids of sweeps, their unique beginnings or ends, or names; entity/project/id at W&B.",
            completes=complete_sweep,
        ),
    ],
    *,
    keep_runs: Annotated[bool, option("--keep-runs", CHOICE, "Keep the runs of the sweeps.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Remove sweeps from the store, with their runs.

    A sweep that a process is running is never removed. Of a sweep at W&B what is stored here is removed; the
    sweep stays at W&B.
    """
    from ffcli.services.sweeps.remove import SweepRemoval, remove_sweeps, runs_of_sweeps
    from ffcli.sweeping.wandb.address import is_address

    out = Output.of(ctx)
    place = context(out)
    found = runs_of_sweeps(place, sweeps, keep_runs=keep_runs)
    each = [
        f"sweep {plain(sweep)} with {counted(len(runs), 'run')}"
        + " here (it stays at W&B)" * is_address(sweep)
        for sweep, runs in found.items()
    ]
    if dry_run:
        runs = [run for its_runs in found.values() for run in its_runs]
        out.result(SweepRemoval([], list(found), runs), *(f"would remove {line}" for line in each))
        return
    if not yes:
        confirm_removal(out, "sweeps rm", f"Remove {', '.join(each)}?")
    out.result(remove_sweeps(place, found), *(f"removed {line}" for line in each))
