"""The pairs of a comparison, with both networks evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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


@dataclass
class Pair:
    """One configuration: its trial with each loss, as far as there is one, and their networks.

    ``curves`` hold the val_acc after each epoch. ``reasons`` say why the pair cannot be compared.
    """

    config: Mapping[str, Any]
    trials: dict[str, Trial] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    networks: dict[str, ComparedNetwork] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def result(self) -> ComparedPair:
        """Return what is known of the pair."""
        networks = {loss: self.networks.get(loss) for loss in LOSSES}
        left_out = "; ".join(self.reasons) or None
        return ComparedPair(dict(self.config), self.config["seed"], **networks, left_out=left_out)


def find_pairs(trials: Iterable[Trial], curves: Mapping[int, list[float]]) -> list[Pair]:
    """Return the trials that are equal but for the loss together, in the order of the first of each.

    ``curves``: the val_acc of each trial's epochs, by its number.
    """
    pairs: dict[str, Pair] = {}
    for trial in trials:
        config = trial.config.as_dict()
        loss = config.pop("loss")
        pair = pairs.setdefault(json.dumps(config, sort_keys=True), Pair(config))
        pair.trials[loss] = trial
        pair.curves[loss] = curves.get(trial.number, [])
    return list(pairs.values())


def evaluate_pairs(context: Context, pairs: Iterable[Pair]) -> None:
    """Evaluate the stored networks, those of the best epochs, on the validation and the test images."""
    for pair in pairs:
        for loss in LOSSES:
            trial = pair.trials.get(loss)
            if trial is None:
                pair.reasons.append(f"{loss} was not trained")
                continue
            network = ComparedNetwork(trial.run_id, trial.state, trial.best_epoch, pair.curves[loss])
            pair.networks[loss] = network
            if trial.state != "finished" or trial.run_id is None:
                pair.reasons.append(f"{loss}: {trial.error or trial.state}")
                continue
            try:
                measures = _measures(context, trial)
            except FfnnError as error:
                pair.reasons.append(f"{loss}: {error}")
                continue
            epochs: dict[str, Any] = {
                name: epochs_to(goal, pair.curves[loss]) for name, goal in GOALS.items()
            }
            pair.networks[loss] = replace(network, **measures, **epochs)


def epochs_to(goal: float, curve: Iterable[float]) -> int | None:
    """Return the first epoch after which a value is at the goal, None where it never is."""
    return next((epoch for epoch, value in enumerate(curve, start=1) if value >= goal), None)


def _measures(context: Context, trial: Trial) -> dict[str, Any]:
    """Return `MEASURES` of a trial's network. Raises FfnnError where it cannot be evaluated."""
    assert trial.run_id is not None
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
