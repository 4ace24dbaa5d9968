"""``ffnn sweep`` on this machine or a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffcli.cli.commands.resuming import resumed, watched
from ffcli.cli.commands.sweeps import fail_where_all_failed, report
from ffcli.cli.output import Output, refuse
from ffcli.cli.pool import cluster_words

if TYPE_CHECKING:
    from ffcli.cli.repetition import Repetition
    from ffcli.services.sweeps.create import SweepSource
    from ffcli.services.sweeps.first import Beginning
    from ffcli.services.sweeps.local import SweepOptions
    from ffcli.sweeping.study.record import Sweep
    from ffcli.sweeping.study.study import NewTrial
    from ffcli.training.context import Context


def run_here(out: Output, place: Context, made: Sweep, options: SweepOptions, *, live: bool) -> None:
    """Run a sweep and show what came of it; with ``live`` its report is served meanwhile."""
    if not live:
        _run(out, place, made, options)
        return
    from ffcli.services.report.live import live_report

    with live_report(place, made.id) as page:
        out.notice(f"live report: {page.url}")
        _run(out, place, made, options)


def _run(out: Output, place: Context, made: Sweep, options: SweepOptions) -> None:
    from ffcli.services.sweeps.local import run_sweep
    from ffcli.services.sweeps.retention import KEPT

    again = ("sweep", made.id, *cluster_words(options.pool))
    resume = out.settings.command(*again)
    with watched(out, resume) as watcher:
        document = run_sweep(place, made, options, watcher)
    most = made.spec.most_trials()
    more = document.ended == "count" and (most is None or most > (document.planned or 0))
    kept = []
    if made.paired is None and document.counts.finished and document.counts.finished > KEPT:
        train = out.settings.command("train", "--config", f"{place.runs_dir}/RUN/config.yaml")
        kept = [f"the best {KEPT} keep their networks; to train another again: {train}"]
    further = []
    if made.paired is not None:
        further = [f"the comparison: {out.settings.command('compare-loss', made.id)}"]
    elif document.ended == "time" and document.state == "open":
        further = [f"Resume with: {resume}"]
    elif more:
        further = [f"More runs: {out.settings.command(*again, '--count', 'N')}"]
    out.result(document, *report(document, out.settings), *kept, *further)
    again_with = () if made.paired is not None else ("--retry-failed",)
    fail_where_all_failed(out, document, out.settings.command(*again, *again_with))


def first_of(
    place: Context,
    source: SweepSource,
    beginning: Beginning,
    many: Repetition,
    seed: int | None,
    count: int | None,
) -> tuple[Repetition, list[NewTrial]]:
    """Return what makes the runs of a trial, and the trials that a new sweep of ``count`` begins with."""
    from ffcli.cli.repetition import Repetition
    from ffcli.services.sweeps.first import extended, first_trials

    if beginning.extend is not None and not many.given:
        old = extended(place, beginning.extend)
        many = Repetition(old.folds or None, old.repeats)
    first = first_trials(place, source, beginning, seed or 0, repeats=many.n_repeats, folds=many.n_folds)
    if count is not None and count < len(first):
        refuse(f"--count must be at least {len(first)}, the trials that the sweep begins with, got {count}.")
    return many, first


def local_sweep(
    out: Output,
    place: Context,
    source: SweepSource,
    options: SweepOptions,
    seed: int | None,
    many: Repetition,
    first: Sequence[NewTrial] = (),
    *,
    resume: bool,
    new: bool,
) -> Sweep:
    """Return the sweep to resume, or a new one of the file, which begins with the trials ``first``."""
    from ffcli.services.sweeps.create import create, of_same_file, read_sweep
    from ffcli.services.sweeps.find import find_sweep
    from ffcli.services.sweeps.shipped import no_such_file

    spec = source.called
    if source.exists:
        same = None if new else of_same_file(place, source, repeats=many.repeats, folds=many.folds)
        by = "--retry-failed" if options.retry_failed else "--resume" if resume else None
        earlier = resumed(out, place, "sweep", spec, same, by=by, count=options.count)
        if earlier is None:
            return create(
                place,
                source,
                seed or 0,
                count=options.count,
                repeats=many.n_repeats,
                folds=many.n_folds,
                first=first,
                reuse=bool(options.reuse),
            )
    elif new:
        refuse(f"--new: {no_such_file(spec)}")
    else:
        earlier = find_sweep(place, spec, or_file=True)
    made = read_sweep(place, earlier).sweep
    if seed is not None:
        out.notice(f"--seed is not used: sweep {made.id} has its own, {made.seed}")
    if many.folds not in (None, made.folds) or many.repeats not in (None, made.repeats):
        own = f"--folds {made.folds}, --repeats {made.repeats}"
        out.notice(f"--folds and --repeats are not used: sweep {made.id} has its own, {own}")
    return made
