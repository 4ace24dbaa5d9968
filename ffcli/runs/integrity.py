"""Checks that a stored run can be read, and that it holds what was written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ffcli.config import TrainConfig, validate
from ffcli.core.buffers import Array
from ffcli.core.network import Network
from ffcli.errors import FfnnError, RequestError
from ffcli.runs.model_file import load_about, load_network
from ffcli.runs.record import RunRecord
from ffcli.runs.store import CHECKPOINT, MODEL
from ffcli.util.atomic_files import json_text
from ffcli.util.safe_read import RECORD_BYTES, parse_yaml, shown
from ffcli.util.text import counted

MOST_EPOCHS = 1_000_000  # of which the history can be read again
_LARGEST = 1 << 63  # of the numbers in a checkpoint


def refuse_unreadable(record: RunRecord, settings: str) -> None:
    """Raise RequestError where a record, or its configuration in YAML, could be written but not be read."""
    if (epochs := record.config["epochs"]) > MOST_EPOCHS:
        raise RequestError(f"epochs must be at most {MOST_EPOCHS}, got {shown(epochs)}.")
    summary = json_text(record.as_dict()).encode()
    if len(summary) > RECORD_BYTES:
        raise RequestError(f"The record of a run must be at most {RECORD_BYTES} bytes, got {len(summary)}.")
    try:
        RunRecord.from_json(summary)
        parse_yaml(settings)
    except ValueError as error:
        raise RequestError(f"The run could not be read again: {error}") from None


def known_config(record: RunRecord) -> TrainConfig | None:
    """Return the configuration of a stored run; None where it is of another version, or damaged."""
    try:
        return validate(record.config)
    except (FfnnError, OSError):
        return None


def load_model(folder: Path, record: RunRecord) -> tuple[Network, dict[str, Any]]:
    """Return the network of a stored run and its description.

    Raises FfnnError where the file is missing or damaged, or does not hold the weights that the run stored,
    or where they are of another epoch than the best on record: it was killed in between, or it continued on
    a cluster, whose weights come with the end of a run only.
    """
    digests = {record.model_sha256}
    with suppress(FfnnError):  # a run that was killed before its record told of its latest model
        digests.add(load_about(folder / CHECKPOINT).get("model_sha256"))
    network, about = load_network(folder / MODEL, [known for known in digests if known is not None])
    epoch, best = about.get("epoch"), record.best_epoch or 0
    if isinstance(epoch, int) and epoch != best:
        trains = record.status == "running"
        raise FfnnError(
            f"The stored weights of run {record.run_id} are those of epoch {epoch}, not those of its best "
            f"epoch on record, {best}: {'it is being trained' if trains else 'it was interrupted'}.",
            hint="Try again." if trains else f"Resume it: ffnn train --resume {record.run_id}",
        )
    return network, about


def change(begun_with: Mapping[str, Any], config: TrainConfig) -> str | None:
    """Return how a configuration differs from the one that a run began with, the number of epochs aside.

    The record gives one configuration for all epochs, so that none may be trained with another.
    """
    before = validate({**begun_with, "epochs": config.epochs}).as_dict()
    for name, value in config.as_dict().items():
        if before[name] != value:
            return f"{name} must be {shown(before[name])}, got {shown(value)}"
    return None


def check_checkpoint(
    arrays: Mapping[str, Array], scalars: Mapping[str, Any], config: TrainConfig, steps_per_epoch: int
) -> None:
    """Raise ValueError where a checkpoint holds what no training left; KeyError where a part is missing.

    It holds the configuration that the run began with, which must still be the run's.
    """
    try:
        changed = change(scalars["config"], config)
    except RequestError as error:
        raise ValueError(str(error)) from None
    if changed is not None:
        raise ValueError(changed)
    numbers = {"epoch": scalars["epoch"], **scalars["optimizer"], **scalars["schedule"]}
    for name, value in numbers.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # The lowest loss is infinite before there is one.
        if not is_number or not (abs(value) < _LARGEST or value == math.inf):
            raise ValueError(f"{name} is {shown(value)}")
    if not isinstance(scalars["epoch"], int) or scalars["epoch"] < 0:
        raise ValueError(f"epoch is {shown(scalars['epoch'])}")
    # An epoch too low would cut the history, one too high leave epochs out.
    if (steps := scalars["optimizer"]["steps"]) != scalars["epoch"] * steps_per_epoch:
        epochs = counted(scalars["epoch"], "epoch")
        raise ValueError(f"its steps are {shown(steps)}, which are not those of {epochs}")
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise ValueError(f"{name} holds {array.dtype}")
