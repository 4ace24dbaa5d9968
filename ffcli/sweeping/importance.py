"""The effect of hyper-parameters in a sweep: Optuna's importances, and correlations with the metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ffcli.runs.results import HyperparameterEffect
from ffcli.sweeping.spec.distributions import Distribution
from ffcli.sweeping.study.record import Sweep, Trial
from ffcli.util.atomic_files import joined

IMPORTANCE, CORRELATION = "PED-ANOVA", "Spearman"
LEAST = 10  # trials: below, an importance cannot be computed
CORRELATED, IMPORTANT = 10, 50  # trials: below, a correlation or an importance is mostly chance
_TOP, _IN_TOP = 0.1, 5  # PED-ANOVA asks what the best tenth has in common, if that are five trials at least

Floats = npt.NDArray[np.float64]


def effects(sweep: Sweep, trials: Sequence[Trial]) -> list[HyperparameterEffect]:
    """Return how much each searched hyper-parameter mattered, the most important first.

    All trials that have a value count; a pruned one has that of its best epoch. Importances are those of
    Optuna's PED-ANOVA (Watanabe et al. 2023, https://arxiv.org/abs/2304.10255), which needs no other package:
    how far the distribution of a hyper-parameter among the best tenth of the trials, or the five best, is
    from that among all. Correlations are Spearman's, so that they do not depend on a scale being logarithmic;
    as in W&B's panel, a choice counts as one variable, 0 or 1, for each of its values.
    """
    valued = [trial for trial in trials if trial.value is not None]
    searched = {name: each for name, each in sweep.spec.parameters.items() if each.size != 1}
    importances = _importances(sweep, valued, searched)
    ranks = _ranks([float(trial.value or 0.0) for trial in valued])
    found = []
    for name, distribution in searched.items():
        drawn = [trial.values[name] for trial in valued]
        if all(_is_number(choice) for choice in distribution.choices):
            correlation = _correlation(_ranks(drawn), ranks)
            found.append(HyperparameterEffect(name, importances.get(name), correlation))
            continue
        by_value = {
            str(joined(choice)): _correlation(np.array([float(value == choice) for value in drawn]), ranks)
            for choice in distribution.choices
        }
        found.append(HyperparameterEffect(name, importances.get(name), by_value=by_value))
    return sorted(found, key=lambda effect: -(effect.importance or 0.0))


def known_effects(sweep: Sweep, trials: Sequence[Trial]) -> list[HyperparameterEffect]:
    """Return the effects without what so few trials cannot tell: see `CORRELATED` and `IMPORTANT`."""
    values = sum(trial.value is not None for trial in trials)
    found = effects(sweep, trials)
    if values < CORRELATED:
        found = [replace(each, correlation=None, by_value=None) for each in found]
    return found if values >= IMPORTANT else [replace(each, importance=None) for each in found]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _importances(
    sweep: Sweep, trials: Sequence[Trial], searched: Mapping[str, Distribution]
) -> dict[str, float]:
    """Return the importance of each hyper-parameter, nothing where too few trials differ."""
    sign = -1.0 if sweep.metric.goal == "maximize" else 1.0
    losses = sorted(sign * trial.value for trial in trials if trial.value is not None)
    if len(losses) < LEAST or not searched:
        return {}
    quantile = max(_TOP, _IN_TOP / len(losses))
    if losses[math.ceil(quantile * len(losses)) - 1] == losses[-1]:  # those as good as the best are all
        return {}
    import optuna  # heavy, and not needed before

    from ffcli.sweeping.study.study import published

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {name: published(each) for name, each in searched.items()}
    study = optuna.create_study(direction=sweep.metric.goal)
    study.add_trials(
        optuna.trial.create_trial(
            value=trial.value,
            params={name: joined(trial.values[name]) for name in searched},
            distributions=distributions,
        )
        for trial in trials
    )
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _ranks(values: Sequence[float]) -> Floats:
    """Return ranks from 1, the mean of them for equal values."""
    _, inverse, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[inverse]
    return ranks


def _correlation(x: Floats, y: Floats) -> float | None:
    """Return Pearson's r, which of ranks is Spearman's; None of fewer than three points or a constant."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    dx, dy = x - x.mean(), y - y.mean()
    r = float((dx @ dy) / math.sqrt((dx @ dx) * (dy @ dy)))
    return min(max(r, -1.0), 1.0)
