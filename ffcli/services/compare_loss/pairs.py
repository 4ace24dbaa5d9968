"""The pairs of a comparison, with both networks evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ffcli.core.metrics import brier_score, negative_log_likelihood
from ffcli.errors import FfnnError
from ffcli.services.compare_loss.results import ComparedNetwork, ComparedPair
from ffcli.services.compare_loss.statistics import GOALS, LOSSES
from ffcli.services.evaluation.evaluate import accuracy
from ffcli.services.evaluation.inference import unseen_indices
from ffcli.services.runs.select import load_run
from ffcli.sweeping.study.record import Trial
from ffcli.training.context import Context


def evaluated_pairs(
    context: Context, trials: Iterable[Trial], curves: Mapping[int, list[float]]
) -> list[ComparedPair]:
    """Return the trials that are equal but for the loss together, in the order of the first of each.

    Their stored networks, those of the best epochs, are evaluated on the validation and the test images.
    ``curves``: the val_acc of each trial's epochs, by its number.
    """
    pairs: dict[str, tuple[dict[str, Any], dict[str, Trial]]] = {}
    for trial in trials:
        config = trial.config.as_dict()
        loss = config.pop("loss")
        _, both = pairs.setdefault(json.dumps(config, sort_keys=True), (config, {}))
        both[loss] = trial
    return [_pair(context, config, both, curves) for config, both in pairs.values()]


def _pair(
    context: Context, config: dict[str, Any], both: Mapping[str, Trial], curves: Mapping[int, list[float]]
) -> ComparedPair:
    networks: dict[str, Any] = dict.fromkeys(LOSSES)
    reasons = []
    for loss in LOSSES:
        trial = both.get(loss)
        if trial is None:
            reasons.append(f"{loss} was not trained")
            continue
        curve = curves.get(trial.number, [])
        measures: dict[str, Any] = {}
        try:
            measures = _measures(context, trial)
            measures.update({name: epochs_to(goal, curve) for name, goal in GOALS.items()})
        except FfnnError as error:
            reasons.append(f"{loss}: {error}")
        networks[loss] = ComparedNetwork(trial.run_id, trial.state, trial.best_epoch, curve, **measures)
    return ComparedPair(config, config["seed"], **networks, left_out="; ".join(reasons) or None)


def epochs_to(goal: float, curve: Iterable[float]) -> int | None:
    """Return the first epoch after which a value is at the goal, None where it never is."""
    return next((epoch for epoch, value in enumerate(curve, start=1) if value >= goal), None)


def _measures(context: Context, trial: Trial) -> dict[str, Any]:
    """Return `MEASURES` of a trial's network. Raises FfnnError where it cannot be evaluated."""
    if trial.state != "finished" or trial.run_id is None:
        raise FfnnError(trial.error or trial.state)
    run = load_run(trial.run_id, context.runs_dir)
    data = context.dataset(trial.config.dataset)
    val = unseen_indices(trial.config, run, data)
    if val is None:
        raise FfnnError(f"{data.name} has changed since run {trial.run_id} was trained on it")
    found = {}
    for name, images, labels in (
        ("val", data.x_train[val], data.y_train[val]),
        ("test", data.x_test, data.y_test),
    ):
        with np.errstate(all="ignore"):
            logits = run.network.logits(images)
        if not np.isfinite(logits).all():
            raise FfnnError(f"run {trial.run_id} gives no finite numbers for some {name} images")
        found[f"{name}_acc"] = accuracy(logits, labels)
        found[f"{name}_nll"] = negative_log_likelihood(logits, labels.astype(np.intp))
        found[f"{name}_brier"] = brier_score(logits, labels.astype(np.intp))
    return found
