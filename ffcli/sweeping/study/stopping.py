"""Early termination by W&B's rule.

From ``hyperband_stop_runs`` of W&B's package ``sweeps`` 0.3.0. Optuna's HyperbandPruner is another algorithm:
it distributes the trials over several brackets, and each competes within its own only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ffcli.core.training import EpochResult
from ffcli.runs.metric import Metric
from ffcli.sweeping.spec.hyperband import Hyperband
from ffcli.sweeping.study.record import Trial


def band_of(hyperband: Hyperband, epoch: int, epochs: int) -> int | None:
    """Return the last band that a run of ``epochs`` epochs has reached after ``epoch``.

    None before the first band, and after the last epoch: there is nothing left to save.
    """
    reached = [band for band in hyperband.bands(epochs) if band <= epoch < epochs]
    return reached[-1] if reached else None


def should_stop(
    hyperband: Hyperband, metric: Metric, band: int, history: Sequence[float], at_band: Iterable[float]
) -> bool:
    """Whether a run stops.

    ``history`` is its metric after each epoch so far, at least ``band`` of them. ``at_band`` holds the metric
    that every run had at the band, in whatever state it is now, this one included. With n of them in order,
    the one at index ⌊n / eta⌋ is the last that continues; equals of it do too. Unless ``strict``, a run
    counts with its best epoch so far, which may lie after the band, yet the others with what they had there.

    W&B asks whenever a run reports, and the caller must too: a run that had passed a band stops between bands
    once enough of those that came after it were better there.
    """
    sign = -1.0 if metric.goal == "maximize" else 1.0
    ranked = sorted(sign * value for value in at_band)
    threshold = ranked[int(1.0 / hyperband.eta * len(ranked))]
    own = [sign * value for value in history]
    return (own[band - 1] if hyperband.strict else min(own)) > threshold


def stops_after(
    hyperband: Hyperband,
    metric: Metric,
    results: Sequence[EpochResult],
    epochs: int,
    trials: Iterable[Trial],
) -> bool:
    """Whether a trial of ``epochs`` epochs stops after the last of its ``results``, among these trials.

    Of a trial with several runs the results are the means over those that have come so far.
    """
    band = band_of(hyperband, results[-1].epoch, epochs)
    if band is None or results[-1].diverged:
        return False
    own = [metric.of(result) for result in results]
    at_band = [trial.history[band] for trial in trials if band in trial.history]
    return should_stop(hyperband, metric, band, own, at_band)
