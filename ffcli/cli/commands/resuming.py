"""Resuming a sweep: that of the same file, and what is said where one is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ffcli.cli.errors import Interrupted
from ffcli.cli.output import Output, refuse
from ffcli.cli.text import number
from ffcli.cli.views.sweep import TrialLines, sweep_watcher
from ffcli.errors import FfnnError
from ffcli.sweeping.study.lock import SweepHeldError
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.training.context import Context


@contextmanager
def watched(out: Output, resume: str) -> Iterator[TrialLines]:
    """Yield what shows the sweep that the block runs; where it breaks off, say that ``resume`` resumes it."""
    watcher = sweep_watcher(out)
    try:
        yield watcher
    except KeyboardInterrupt:
        raise Interrupted(f"{watcher.how_far}Resume with: {resume}") from None
    except (FfnnError, OSError) as error:
        if not isinstance(error, SweepHeldError):
            out.notice(f"Resume with: {resume}")
        raise


def resumed(
    out: Output,
    place: Context,
    command: str,
    file: object,
    earlier: str | None,
    *,
    by: str | None,
    count: int | None,
) -> str | None:
    """Return the earlier sweep of the same file if the user wants to resume it with ``command``.

    ``by`` is the option that says so, if any: RequestError where there is none to resume. Without one the
    user is asked; where nobody is there to answer, or it has ``count`` trials already, a notice is given.
    """
    what = "comparison" if command == "compare-loss" else "sweep"
    if earlier is None:
        if by is not None:
            refuse(f"{by}: no {what} in {place.runs_dir} is of {file}.")
        return None
    if by is not None:
        return earlier
    far = ""
    asks = out.can_ask
    if asks:
        from ffcli.services.sweeps.summary import progress

        with suppress(FfnnError):  # damaged: then a new one is what the user wants, who is asked all the same
            known = progress(place, earlier)
            ended = sum(vars(known.counts).values())
            asks = known.state != "ended" or (count is not None and count > ended)
            of = f" of {known.planned}" if known.planned else ""
            best = f", best {known.metric.name} {number(known.best.value)}" if known.best is not None else ""
            far = f" ({known.state}: {counted(ended, 'run')}{of}{best})"
    if not asks:
        out.notice(f"{file} was run before: {out.settings.command(command, earlier)} resumes that {what}")
        return None
    question = f"Resume {what} {earlier} of the same file{far}? n begins a new one."
    return earlier if out.ask(question, default=True) else None
