"""Which images a configuration validates on, and the runs that stand for one configuration together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ffcli.config.train_config import TrainConfig
from ffcli.datasets import fold_indices, split_indices
from ffcli.datasets.base import Array
from ffcli.errors import RequestError
from ffcli.util.safe_read import shown

MOST_RUNS = 9999  # of one configuration: far beyond any use, and made at once


def validation_split(
    config: TrainConfig, labels: Array, parameter: str = "fold"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which training images, of (N,) ``labels``, are trained on and which validate.

    Both are ascending indices. Raises RequestError where there are too few images for the split; for that of
    a fold it names the ``parameter`` by which the fold was asked for.
    """
    if config.fold == "none":
        return split_indices(labels, config.val_fraction)
    fold, folds = map(int, config.fold.split("/"))
    return fold_indices(labels, fold, folds, parameter=parameter)


def runs_per_trial(repeats: int, folds: int) -> int:
    """Return how many `members` a configuration has. Raises RequestError for more than `MOST_RUNS`."""
    splits = max(folds, 1)
    for name, wanted, most in (("folds", splits, MOST_RUNS), ("repeats", repeats, MOST_RUNS // splits)):
        if wanted > most:
            on_all = f" with {folds} folds" if name == "repeats" and folds else ""
            raise RequestError(f"expected at most {most}{on_all}, got {shown(wanted)}", parameter=name)
    return repeats * splits


def members(config: TrainConfig, repeats: int = 1, folds: int = 0) -> tuple[TrainConfig, ...]:
    """Return the configurations whose mean a configuration is measured by: one for each seed and fold.

    The seeds are the configuration's own and the ``repeats`` - 1 that follow it. With ``folds`` each seed is
    trained on all folds; without (0), on the configuration's own split. Raises RequestError where the
    configuration names a fold already, and as `runs_per_trial` does.
    """
    runs_per_trial(repeats, folds)
    if folds and config.fold != "none":
        raise RequestError(
            f"expected no single fold together with all {folds}, got fold {config.fold}",
            hint="Leave one of the two out.",
            parameter="folds",
        )
    splits = [f"{fold}/{folds}" for fold in range(1, folds + 1)] or [config.fold]
    return tuple(
        config.model_copy(update={"seed": config.seed + repeat, "fold": fold})
        for repeat in range(repeats)
        for fold in splits
    )
