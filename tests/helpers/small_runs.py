"""Runs of milliseconds: a small dataset of one's own, and watchers that stop a training where one wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffcli.config import TrainConfig, validate
from ffcli.core.training import EpochResult
from ffcli.runs import model_file, recorder
from ffcli.runs.record import HISTORY_COLUMNS, RunRecord
from ffcli.runs.results import RunResult
from ffcli.runs.store import SUMMARY
from ffcli.services.train import train
from ffcli.training.context import Context
from ffcli.training.events import EpochEnded, StepsDone, TrainingEvent, TrainingStarted
from ffcli.training.options import RunOptions


def write_dataset(path: Path, *, n_classes: int = 3, side: int = 8, seed: int = 0) -> Path:
    """Write 400 training and 100 test images whose classes overlap, so that no network is perfect."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(400), np.arange(100)]) % n_classes
    centres = rng.integers(60, 120, (n_classes, side, side))
    images = np.clip(centres[labels] + rng.normal(0, 120, (500, side, side)), 0, 255).astype(np.uint8)
    labels = labels.astype(np.uint8)
    np.savez(path, x_train=images[:400], y_train=labels[:400], x_test=images[400:], y_test=labels[400:])
    return path


class Watcher:
    """Remembers what it was told; calls ``at_epoch`` and ``at_batches`` if they are given."""

    def __init__(
        self,
        at_epoch: Callable[[EpochResult], None] | None = None,
        at_batches: Callable[[int, int], None] | None = None,
    ) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._at_epoch = at_epoch
        self._at_batches = at_batches

    def __call__(self, event: TrainingEvent) -> None:
        if isinstance(event, StepsDone):
            if self._at_batches is not None:
                self._at_batches(event.done, event.total)
        elif isinstance(event, TrainingStarted):
            known = (event.config.epochs, event.first_epoch, event.steps_per_epoch)
            self.told.append(("started", event.run_id, *known))
        elif isinstance(event, EpochEnded):
            self.told.append(("epoch", event.result.epoch, event.best))
            if self._at_epoch is not None:
                self._at_epoch(event.result)
        else:
            self.told.append(("finished",))


def interrupt_after(epoch: int) -> Watcher:
    """Return a watcher that presses Ctrl-C when this epoch is over."""

    def press(result: EpochResult) -> None:
        if result.epoch == epoch:
            raise KeyboardInterrupt

    return Watcher(at_epoch=press)


class KilledError(BaseException):
    """The process ends here: nothing is closed."""


@contextmanager
def writes_until(write: int, error: BaseException) -> Iterator[Callable[[], int]]:
    """Let so many files of runs be written and then raise ``error``, an appended line cut in half.

    Yields how to count the writes.
    """
    done = 0
    true_write, true_append = recorder.write_atomic, recorder.append

    def count() -> None:
        nonlocal done
        if done == write:
            raise error
        done += 1

    def write_atomic(path: Path, content: bytes | str) -> None:
        count()
        true_write(path, content)

    def append(path: Path, text: str) -> None:
        true_append(path, text[: len(text) // 2])
        count()
        true_append(path, text[len(text) // 2 :])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "write_atomic", write_atomic)
        patch.setattr(recorder, "append", append)
        patch.setattr(model_file, "write_atomic", write_atomic)
        yield lambda: done


class Place:
    """A data folder, a run store, and a small dataset."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dataset = write_dataset(folder / "mine.npz")
        self.notices: list[str] = []
        self.context = Context(folder / "data", folder / "runs", self.notices.append)

    def config(self, **values: Any) -> TrainConfig:
        """Return a small configuration on the small dataset."""
        defaults = {
            "dataset": str(self.dataset),
            "epochs": 4,
            "hidden_size": 6,
            "num_layers": 2,
            "activation": "relu",
            "optimizer": "nadam",
            "learning_rate": 0.01,
            "batch_size": 32,
            "weight_decay": 0.0,
            "loss": "cross_entropy",
        }
        return validate({**defaults, **values})

    def train(self, **values: Any) -> RunResult:
        """Train a run to its end."""
        return train(self.context, self.config(**values), RunOptions(), Watcher())

    def interrupted(self, epoch: int, **values: Any) -> Path:
        """Interrupt a run after an epoch and return its folder."""
        with pytest.raises(KeyboardInterrupt):
            train(self.context, self.config(**values), RunOptions(), interrupt_after(epoch))
        return self.path(self.context.runs.ids()[-1])

    def path(self, run_id: str) -> Path:
        """Return the folder of a run."""
        return self.context.runs_dir / run_id

    def put(self, run_id: str, **values: Any) -> RunRecord:
        """Store a finished run that has a record only, in place of one of this id."""
        defaults: dict[str, Any] = {
            "run_id": run_id,
            "name": f"run {run_id}",
            "status": "finished",
            "dataset": "fashion_mnist",
            "config": TrainConfig().as_dict(),
            "started": "2026-01-01T00:00:00.000Z",
        }
        record = RunRecord(**{**defaults, **values})
        self.path(run_id).mkdir(parents=True, exist_ok=True)
        (self.path(run_id) / SUMMARY).write_text(json.dumps(record.as_dict()))
        return record


def put_other_test_labels(place: Place) -> None:
    """Replace the dataset of a place by one with each test label the next class."""
    with np.load(place.dataset) as arrays:
        changed = {**arrays, "y_test": (arrays["y_test"] + 1) % 3}
    np.savez(place.dataset, **changed)


TIMES = ("seconds", "train_seconds", "time")


def without_times(text: str) -> list[list[str]]:
    """Return the cells of a history.csv that do not measure time, as written."""
    kept = [column for column, name in enumerate(HISTORY_COLUMNS) if name not in TIMES]
    return [[row.split(",")[column] for column in kept] for row in text.splitlines()]
