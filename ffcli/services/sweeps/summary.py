"""Reports about a sweep: its progress, its best trials, and the effect of its hyper-parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ffcli.services.columns import Column, Condition, find_columns, hyperparameter, in_order
from ffcli.services.sweeps.best import TOP, summary_of, summary_of_study, summary_of_trial
from ffcli.services.sweeps.create import read_sweep
from ffcli.services.sweeps.listing import located, located_trial
from ffcli.services.sweeps.results import Effects, ListedSweep, SweepReport
from ffcli.sweeping.importance import CORRELATION, IMPORTANCE, known_effects
from ffcli.sweeping.study.record import Sweep, Trial, ranked
from ffcli.sweeping.study.study import Study
from ffcli.training.context import Context


def sweep_report(context: Context, study: Study) -> SweepReport:
    """Return what is known of a sweep of this store."""
    listed = located(context, summary_of_study(study))
    return SweepReport(**vars(listed), mattered=_mattered(study.sweep, study.trials))


def show_sweep(
    context: Context,
    sweep_id: str,
    *,
    top: int | None = None,
    where: Sequence[str] = (),
    sort: str | None = None,
) -> SweepReport:
    """Return what is known of one sweep, with its ``top`` best trials that meet the conditions.

    The trials are ranked by the metric, or sorted by another column (see `trial_columns`). Raises
    RequestError where there is no sweep of this id, and for what is no condition or column.
    """
    study = read_sweep(context, sweep_id)
    report = sweep_report(context, study)
    if top is None and not where and sort is None:
        return report
    metric = study.sweep.metric.name

    def find(word: str) -> Column:
        return trial_columns(metric, [word], "where")[0]

    conditions = [Condition.parse(text, find) for text in where]
    trials = [
        trial
        for trial in ranked(study.sweep.metric, study.trials)
        if all(condition.holds(trial) for condition in conditions)
    ]
    if sort is not None and (by := trial_columns(metric, [sort], "sort")[0]).name != "value":
        trials = in_order(trials, by, descending=False)
    chosen = [located_trial(context, summary_of_trial(trial)) for trial in trials[: top or TOP]]
    return replace(report, top=chosen)


_TRIAL = ("number", "state", "value", "best_epoch", "run_id", "reused")


def trial_columns(metric: str, words: Iterable[str], parameter: str = "columns") -> list[Column]:
    """Return the columns of trials: the metric, fields, hyper-parameters.

    Raises RequestError that names the ``parameter`` for a word that is none.
    """
    others = {metric: "value", "trial": "number", "run": "run_id", "id": "run_id"}

    def find(word: str) -> Column | None:
        word = others.get(word, word)
        if word in _TRIAL:
            return Column(word, "field", lambda trial: getattr(trial, word))
        return hyperparameter(word, lambda trial: trial.config.as_dict())

    return find_columns(words, find, [metric, *_TRIAL], parameter)


def progress(context: Context, sweep_id: str) -> ListedSweep:
    """Return how far a sweep is, without what mattered in it. Raises FfnnError."""
    return located(context, summary_of_study(read_sweep(context, sweep_id)))


def wandb_report(context: Context, sweep: Sweep, trials: Sequence[Trial], refused: int) -> SweepReport:
    """Return what this store holds of a sweep of W&B's, whose state W&B knows.

    ``refused`` runs have failed without ever being stored.
    """
    found = located(context, summary_of(sweep, trials))
    counts = replace(found.counts, failed=found.counts.failed + refused)
    found = replace(found, backend="wandb", state=None, counts=counts)
    return SweepReport(**vars(found), mattered=_mattered(sweep, trials))


def _mattered(sweep: Sweep, trials: Sequence[Trial]) -> Effects:
    return Effects(
        importance=IMPORTANCE,
        correlation=CORRELATION,
        trials=sum(trial.value is not None for trial in trials),
        hyperparameters=known_effects(sweep, trials),
    )
