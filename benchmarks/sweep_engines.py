"""A sweep whose training takes no time, so that what is left is the engine: ffnn's own, and Optuna's.

Each worker is a process. It loads everything, says that it is ready, waits for the start, and then tells of
each trial through a pipe, as the workers of ``ffnn sweep`` do.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import Any

from ffcli.sweeping.claiming import Request
from ffcli.sweeping.events import Event, TrialEnded
from ffcli.sweeping.search.proposers import PROPOSERS
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Claim, Claimed, EndState, Sweep
from ffcli.sweeping.worker import LiveTrial, work
from sqlalchemy import Engine, event

from benchmarks.measure import MeasurementError
from ffcli.config import TrainConfig
from ffcli.core.training import CORE_VERSION, EpochResult
from ffcli.runs.store import new_run_id
from ffcli.sweeping.spec.distributions import Distribution
from ffcli.sweeping.spec.spec import SweepSpec, parse_spec

OURS = "ffnn"
PEERS = {"rdb": "Optuna, RDBStorage", "journal": "Optuna, JournalStorage", "memory": "Optuna, in memory"}
_ENDED = "ended"  # what a peer tells after each trial
_BROUGHT = 120.0  # seconds within which the workers have to be ready


@dataclass(frozen=True)
class Task:
    """A sweep of ``engine`` (``ffnn`` or one of `PEERS`): the text of its file, and how far it goes.

    ``url`` is the database, or the path of the journal; a worker begins no trial after ``seconds``.
    """

    engine: str
    text: str
    url: str
    trials: int
    workers: int
    seconds: float


def made_up(values: Mapping[str, Any], number: int) -> float:
    """Return the val_acc of a trial that is not trained: each value adds its part, and chance a little.

    So a model finds what is good and proposes it again and again, as it does in a real sweep.
    """
    parts = (Random(f"{name}={value}").gauss(0, 0.03) for name, value in values.items())
    return 0.7 + sum(parts) + Random(number).gauss(0, 0.003)


def epoch_of(epoch: int, final: float) -> EpochResult:
    """Return an epoch on the way to a final val_acc."""
    val_acc = final - 0.05 / epoch
    return EpochResult(epoch, 1.0, val_acc, 1.0, val_acc, 1.0, 1.0)


def run(task: Task) -> dict[str, Any]:
    """Run a sweep and return {trials, seconds, ends, …}: ``ends`` are the seconds at which trials ended.

    With ffnn also ``parts``, the seconds that all workers spent in each part, and how many ``statements`` and
    ``transactions`` the database saw. Raises MeasurementError where a worker fails.
    """
    sweep_id = ""
    if task.engine == OURS:
        store = TrialStore(task.url)
        spec = parse_spec(task.text)
        sweep_id = store.create(Sweep(new_run_id(), spec, {}, "", CORE_VERSION, 0, 0.0)).id
        store.close()
    spawn = multiprocessing.get_context("spawn")
    connections: list[Connection] = []
    processes = []
    for _ in range(task.workers):
        ours, theirs = spawn.Pipe()
        main = _work if task.engine == OURS else _work_of_peer
        process = spawn.Process(target=main, args=(task, sweep_id, theirs), daemon=True)
        process.start()
        theirs.close()
        connections.append(ours)
        processes.append(process)
    try:
        ends, reports = _listen(task, connections)
    finally:
        for process in processes:
            process.join(10)
            process.kill()
    if not ends:
        raise MeasurementError(f"{task.engine}: not one trial ended")
    parts: Counter[str] = Counter()
    for report in reports:
        parts.update(report.pop("parts", {}))
    totals: Counter[str] = Counter()
    for report in reports:
        totals.update(report)
    return {
        "sweep_id": sweep_id,
        "trials": len(ends),
        "seconds": ends[-1],
        "ends": ends,
        "parts": dict(parts),
        **totals,
    }


def _listen(task: Task, connections: list[Connection]) -> tuple[list[float], list[dict[str, Any]]]:
    """Start the workers, and return when each trial ended, and what each worker reports in the end."""
    try:
        for connection in connections:
            if not connection.poll(_BROUGHT):
                raise MeasurementError(f"{task.engine}: a worker was not ready after {_BROUGHT:g} s")
            connection.recv()
        for connection in connections:
            connection.send("start")
        start = time.perf_counter()
        ends: list[float] = []
        reports: list[dict[str, Any]] = []
        left: list[Any] = list(connections)
        while left:
            for ready in wait(left):
                assert isinstance(ready, Connection)
                message = ready.recv()
                if isinstance(message, dict):
                    reports.append(message)
                    left.remove(ready)
                elif isinstance(message, TrialEnded) or message == _ENDED:
                    ends.append(time.perf_counter() - start)
    except (EOFError, OSError):
        raise MeasurementError(f"{task.engine}: a worker died; what it said stands above") from None
    return ends, reports


class _TimedStore(TrialStore):
    """Notes how long each kind of call takes, the wait for other workers included."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.parts: Counter[str] = Counter()

    def timed(self, part: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        try:
            return call()
        finally:
            self.parts[part] += time.perf_counter() - start

    def claim(self, sweep: Sweep, request: Request) -> Claim:
        claim: Claim = self.timed("claim", lambda: super(_TimedStore, self).claim(sweep, request))
        return claim

    def set_run(self, claimed: Claimed, run_id: str) -> None:
        self.timed("end", lambda: super(_TimedStore, self).set_run(claimed, run_id))

    def report(self, sweep: Sweep, claimed: Claimed, result: EpochResult, history: Any = ()) -> bool:
        return bool(
            self.timed("epochs", lambda: super(_TimedStore, self).report(sweep, claimed, result, history))
        )

    def finish(self, claimed: Claimed, state: EndState, **about: Any) -> None:
        self.timed("end", lambda: super(_TimedStore, self).finish(claimed, state, **about))


def _work(task: Task, sweep_id: str, parent: Connection) -> None:
    """Be a worker of ffnn's engine."""
    store = _TimedStore(task.url)
    sweep = store.sweep(sweep_id)
    PROPOSERS[sweep.spec.method](sweep.spec, sweep.base, sweep.seed)  # Optuna loads before the clock runs
    seen: Counter[str] = Counter()
    event.listen(Engine, "before_cursor_execute", lambda *_: seen.update(["statements"]))
    event.listen(Engine, "commit", lambda *_: seen.update(["transactions"]))

    def objective(config: TrainConfig, trial: LiveTrial) -> None:
        trial.set_run(new_run_id())
        final = made_up(trial.claimed.trial.values, trial.number)
        for epoch in range(1, config.epochs + 1):
            if trial.report(epoch_of(epoch, final)):
                return

    def tell(happened: Event) -> None:
        store.timed("hand-over", lambda: parent.send(happened))

    parent.send("ready")
    parent.recv()
    until = time.monotonic() + task.seconds
    work(
        store,
        sweep,
        objective,
        count=task.trials,
        on_event=tell,
        go_on=lambda: time.monotonic() < until,
    )
    parent.send({"parts": dict(store.parts), **seen})
    store.close()


def _work_of_peer(task: Task, _: str, parent: Connection) -> None:
    """Be a worker of Optuna's own loop, with the sampler and the epoch reports that ffnn has."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = parse_spec(task.text)
    storage: Any = None
    if task.engine == "rdb":
        storage = optuna.storages.RDBStorage(task.url)
    elif task.engine == "journal":
        backend = optuna.storages.journal.JournalFileBackend(task.url)
        storage = optuna.storages.JournalStorage(backend)
    sampler = optuna.samplers.TPESampler(seed=0, multivariate=True, constant_liar=True)
    study = optuna.create_study(storage=storage, sampler=sampler, direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        values = suggest(spec, trial)
        final = made_up(values, trial.number)
        for epoch in range(1, spec.config(values).epochs + 1):
            trial.report(epoch_of(epoch, final).val_acc, epoch)
        return final

    parent.send("ready")
    parent.recv()
    study.optimize(
        objective,
        n_trials=task.trials,
        timeout=task.seconds,
        callbacks=[lambda *_: parent.send(_ENDED)],
    )
    parent.send({})


def suggest(spec: SweepSpec, trial: Any) -> dict[str, Any]:
    """Ask an Optuna trial for a combination of a sweep file's space."""

    def value(name: str, distribution: Distribution) -> Any:
        n = distribution.size
        if n is None:
            return distribution.from_uniform(trial.suggest_float(name, 0.0, 1.0))
        return distribution.value(trial.suggest_categorical(name, range(n)))

    return {name: value(name, each) for name, each in spec.parameters.items()}


def journal_in(folder: Path) -> str:
    """Return the path of a new journal."""
    return str(folder / f"{new_run_id()}.journal")


def sqlite_in(folder: Path) -> str:
    """Return the address of a new database."""
    return f"sqlite:///{folder.resolve() / new_run_id()}.db"
