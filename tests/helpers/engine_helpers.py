"""Small sweeps whose trials are made up, run by the coordinator on a fake pool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fake_pool import FakePool, Train

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.execution.pool import Task
from ffcli.sweeping.spec.spec import parse_spec
from ffcli.sweeping.study import study
from ffcli.sweeping.study.coordinator import Coordinator
from ffcli.sweeping.study.events import OnEvent
from ffcli.sweeping.study.plan import Plan
from ffcli.sweeping.study.record import Counts, Ended, Sweep, Trial
from ffcli.sweeping.study.writer import StudyWriter

# 24 combinations
FINITE = """
  epochs: {value: 2}
  batch_size: {values: [16, 32, 64, 128]}
  activation: {values: [tanh, relu, sigmoid]}
  weight_init: {values: [xavier, random]}
"""
INFINITE = """
  epochs: {value: 2}
  learning_rate: {distribution: log_uniform_values, min: 1.0e-5, max: 1.0e-1}
  batch_size: {values: [16, 32, 64]}
"""

EVERY_KIND = """
  epochs: {min: 3, max: 5}
  batch_size: {distribution: q_log_uniform_values, min: 16, max: 256, q: 16}
  hidden_size: {values: [[64, 32], 32]}
  activation: {values: [relu, tanh], probabilities: [0.9, 0.1]}
  learning_rate: {distribution: log_uniform_values, min: 1.0e-5, max: 1.0e-1}
  weight_decay: {distribution: log_normal, mu: -8, sigma: 1}
  momentum: {distribution: beta, a: 8, b: 2}
  beta: {min: 0.5, max: 0.99}
  beta1: {distribution: q_uniform, min: 0.5, max: 0.9, q: 0.1}
"""


def sweep_of(
    method: str = "random",
    parameters: str = FINITE,
    *,
    id: str = "s1",
    seed: int = 0,
    top: str = "",
    target: str = "",
) -> Sweep:
    """Return a sweep that maximises val_acc."""
    metric = "{name: val_acc, goal: maximize" + (f", target: {target}" if target else "") + "}"
    spec = parse_spec(f"method: {method}\nmetric: {metric}\n{top}\nparameters:{parameters}")
    return Sweep(id, spec, "digest of the data", 1, seed, 1.8e9)


def epoch(number: int, val_acc: float = 0.5, val_loss: float = 1.0) -> EpochResult:
    return EpochResult(number, 1.0, 0.5, val_loss, val_acc, 0.25, 0.2, 0.5)


def score(config: TrainConfig) -> float:
    """Return a made-up val_acc: best with relu, xavier and batches of 32."""
    size = {16: 0.02, 32: 0.05, 64: 0.03}.get(config.batch_size, 0.0)
    return 0.5 + 0.2 * (config.activation == "relu") + 0.1 * (config.weight_init == "xavier") + size


def objective(task: Task) -> Iterator[EpochResult]:
    """Yield the configuration's epochs; the best one is the first."""
    for number in range(1, task.config.epochs + 1):
        yield epoch(number, score(task.config) - 0.01 * (number - 1))


def trial_of(task: Task) -> int:
    """Return the number of the trial that a task is of."""
    return int(task.provenance["trial"])


def start_of(task: Task) -> int:
    """Return which start of its trial a task is."""
    return int(task.key.partition(".")[2])


class Engine:
    """Sweeps in a folder, each run by a coordinator whenever `complete` is called, as by a new process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, sweep: Sweep, count: int | None = None) -> Sweep:
        (self.folder / sweep.id).mkdir(parents=True)
        study.create(self.folder / sweep.id, sweep, count)
        return sweep

    def writer(self, sweep: Sweep) -> StudyWriter:
        return StudyWriter(self.folder / sweep.id, lambda: None)

    def complete(
        self,
        sweep: Sweep,
        count: int | None = None,
        *,
        train: Train = objective,
        workers: int = 1,
        on_event: OnEvent = lambda _: None,
        **plan: Any,
    ) -> Ended | None:
        """Run a sweep until it is over, and return why it is."""
        with FakePool(train, workers) as self.pool:
            how_far = Plan(count, lambda _: sweep.dataset_digest, **plan)
            return Coordinator(self.writer(sweep), self.pool, how_far, on_event).run()

    def trials(self, sweep: Sweep) -> tuple[Trial, ...]:
        return study.read(self.folder / sweep.id).trials

    def counts(self, sweep: Sweep) -> Counts:
        return study.read(self.folder / sweep.id).counts

    def drawn(self, sweep: Sweep) -> list[dict[str, Any]]:
        """Return the searched values of all trials."""
        return [dict(trial.values) for trial in self.trials(sweep)]
