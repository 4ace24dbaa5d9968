"""Small sweeps, objectives that train nothing, and, run as a script, a worker in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from ffcli.config import TrainConfig
from ffcli.core.training import EpochResult
from ffcli.sweeping.claiming import Request
from ffcli.sweeping.database import Database
from ffcli.sweeping.events import TrialEnded, TrialStarted
from ffcli.sweeping.spec.spec import parse_spec
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Claimed, Ended, Sweep
from ffcli.sweeping.worker import LiveTrial, work
from ffcli.util.processes import this_process

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
    return Sweep(id, spec, {"seed": 5}, "digest of the data", 1, seed, 0.0)


def epoch(number: int, val_acc: float = 0.5, val_loss: float = 1.0) -> EpochResult:
    return EpochResult(number, 1.0, 0.5, val_loss, val_acc, 0.25, 0.2)


def score(config: TrainConfig) -> float:
    """Return a made-up val_acc: best with relu, xavier and batches of 32."""
    size = {16: 0.02, 32: 0.05, 64: 0.03}.get(config.batch_size, 0.0)
    return 0.5 + 0.2 * (config.activation == "relu") + 0.1 * (config.weight_init == "xavier") + size


def objective(config: TrainConfig, trial: LiveTrial) -> None:
    """Report the configuration's epochs; the best one is the first."""
    for number in range(1, config.epochs + 1):
        if trial.report(epoch(number, score(config) - 0.01 * (number - 1))):
            return


def claim(store: TrialStore, sweep: Sweep, token: str, **request: Any) -> Any:
    return store.claim(sweep, Request(token, request.pop("worker", this_process()), **request))


def take(store: TrialStore, sweep: Sweep, token: str, **request: Any) -> Claimed:
    """Claim a trial that must be there."""
    claimed = claim(store, sweep, token, **request)
    assert isinstance(claimed, Claimed), claimed
    return claimed


def complete(store: TrialStore, sweep: Sweep, count: int | None = None, **options: Any) -> Ended:
    """Work until the sweep is over, which it must be within a minute."""
    until = time.monotonic() + 60
    options.setdefault("go_on", lambda: time.monotonic() < until)
    ended = work(store, sweep, options.pop("objective", objective), count=count, **options)
    assert ended is not None
    return ended


def drawn(store: TrialStore, sweep: Sweep) -> list[dict[str, Any]]:
    """Return the searched values of all trials."""
    return [dict(trial.values) for trial in store.trials(sweep)]


# A worker as a process


def start_worker(url: str, sweep: Sweep, **task: Any) -> subprocess.Popen[str]:
    """Start one; see `_main` for its task."""
    command = [sys.executable, __file__, url, sweep.id, json.dumps(task)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def ended_numbers(process: subprocess.Popen[str], *, code: int = 0) -> list[int]:
    """Wait for a worker and return the numbers of the trials that it brought to their end."""
    out = process.communicate(timeout=60)[0]
    assert process.returncode == code, out
    return [int(line.split()[1]) for line in out.splitlines() if line.startswith("ended")]


def die_at(moment: int) -> None:
    """Let the process kill itself before, within or after transaction n: at moment 3n, 3n + 1, 3n + 2."""
    run, calls = Database.run, -1

    def dying(database: Database, what: Callable[[Any], Any]) -> Any:
        nonlocal calls
        calls += 1
        dies = moment - 3 * calls

        def inside(connection: Any) -> Any:
            done = what(connection)
            if dies == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        if dies == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        done = run(database, inside)
        if dies == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    Database.run = dying  # type: ignore[method-assign]


def _main(url: str, sweep_id: str, task: Mapping[str, Any]) -> None:
    """Work for ``count`` trials with ``pause`` seconds an epoch; die at a ``moment``; tell what happens.

    The trial ``hold`` goes on only once the parent is gone.
    """
    if "moment" in task:
        die_at(task["moment"])
    store = TrialStore(url)
    started_by = os.getppid()

    def slowly(config: TrainConfig, trial: LiveTrial) -> None:
        time.sleep(task.get("pause", 0))
        while trial.number == task.get("hold") and os.getppid() == started_by:
            time.sleep(0.01)
        objective(config, trial)
        time.sleep(task.get("pause", 0))

    def tell(event: object) -> None:
        if isinstance(event, (TrialStarted, TrialEnded)):
            word = "started" if isinstance(event, TrialStarted) else "ended"
            print(word, event.number, flush=True)

    sweep = store.sweep(sweep_id)
    print("ready", flush=True)
    work(store, sweep, slowly, count=task.get("count"), on_event=tell, parent=started_by)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
    sys.stdout.flush()
