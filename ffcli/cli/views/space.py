"""What a sweep would search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ffcli.cli.output import Output
from ffcli.cli.text import roughly
from ffcli.cli.views.sweep import fewer_runs
from ffcli.cli.views.tables import pairs, shown
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.services.sweeps.results import SearchSpace


def _listed(values: Mapping[str, Any]) -> str:
    """Return searched values as one line."""
    return ", ".join(f"{name} {shown(value)}" for name, value in values.items())


def show_space(out: Output, space: SearchSpace, count: int | None) -> None:
    """Show what a sweep of ``count`` trials would search, and how long it may take."""
    each = f"{roughly(space.seconds_a_run)} per run"
    by = counted(space.workers, "worker")
    total, first = space.seconds_estimate, 1 + space.copied
    runs = "until it is stopped" if space.runs is None else str(space.runs)
    if space.runs_a_trial > 1:
        runs += f" trials, each of {space.runs_a_trial} runs"
    if count is not None and space.runs is not None and space.runs < count:
        runs = f"{runs}, {fewer_runs(count, space.runs, space.size)}"
    about = {
        "method": space.method,
        "metric": space.metric and f"{space.metric.goal} {space.metric.name}",
        **space.parameters,
        "combinations": space.combinations or "infinitely many",
        "trainings": space.size or "infinitely many",
        **({"copied": counted(space.copied, "trial")} if space.copied else {}),
        **{f"trial {number}": _listed(values) for number, values in enumerate(space.start_from, first)},
        "runs": runs,
        "time": f"about {each}" if total is None else f"about {roughly(total)} with {by} ({each})",
    }
    out.result(space, pairs(about))
