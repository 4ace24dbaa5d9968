"""One worker of a sweep, as a process of its own: trials become runs of the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ffcli.config import TrainConfig
from ffcli.core.training import CORE_VERSION
from ffcli.datasets import Dataset
from ffcli.errors import FfnnError
from ffcli.services.past_runs import PastRuns, own_past, store_past
from ffcli.sweeping.claiming import ATTEMPTS
from ffcli.sweeping.events import Event
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Ended, Sweep, TrialFailedError
from ffcli.sweeping.twins import twin
from ffcli.sweeping.worker import LiveTrial, Objective, ParentGoneError, work
from ffcli.training.context import Context
from ffcli.training.experiment import Experiment
from ffcli.training.options import RunOptions
from ffcli.training.runner import Unwatched, new_run, run
from ffcli.training.tracking import Tracking
from ffcli.util.signals import ended_by_the_parent


@dataclass(frozen=True)
class WorkerTask:
    """What a worker process is started with; it can be pickled."""

    url: str
    sweep_id: str
    data_dir: Path
    runs_dir: Path
    options: RunOptions
    count: int | None
    forgiven: int
    parent: int
    reuse: bool = False


@dataclass(frozen=True)
class RunStarted:
    """A trial is trained as this run."""

    number: int
    run_id: str


@dataclass(frozen=True)
class WorkerFailed:
    """The worker cannot go on; ``message`` is for the user."""

    message: str


Message = Event | RunStarted | Ended | WorkerFailed


def objective(
    context: Context,
    store: TrialStore,
    sweep: Sweep,
    options: RunOptions,
    tell: Callable[[Message], None],
    *,
    reuse: bool,
    tracking: Tracking,
) -> Objective:
    """Return what trains a trial as an ordinary run, tagged with the sweep.

    ``reuse``: a finished run of the store, or trial of the database, that is the same is taken over instead.
    """
    datasets: dict[str, Dataset] = {}
    past_runs = PastRuns(context) if reuse else None

    def train(config: TrainConfig, trial: LiveTrial) -> None:
        if config.dataset not in datasets:
            datasets[config.dataset] = context.dataset(config.dataset)
        dataset = datasets[config.dataset]
        if trial.earlier_run is not None:
            path = context.runs.of_sweep(trial.earlier_run, sweep.id)
            own = None if path is None else own_past(context, path.name, config, dataset)
            if own is not None:
                tell(RunStarted(trial.number, trial.earlier_run))
                trial.take_over(own)
                return
            if trial.claimed.trial.attempts > ATTEMPTS:  # it was claimed for the sake of that run alone
                raise TrialFailedError(str(trial.claimed.trial.error))
            if path is not None:
                _clear_up(context, path)
            trial.set_run(None)
        if past_runs is not None:
            past = past_runs.past(config, dataset.digest) or twin(
                store, trial.claimed.trial, dataset.digest, CORE_VERSION
            )
            if past is not None:
                with context.runs.create() as new:
                    trial.set_run(new.path.name)
                    tell(RunStarted(trial.number, new.path.name))
                    store_past(
                        context,
                        new,
                        past,
                        config=config,
                        dataset=dataset,
                        sweep_id=sweep.id,
                        options=options,
                    )
                trial.take_over(past)
                return
        experiment = Experiment(config, dataset)
        with new_run(context, experiment, options, sweep.id) as recorder:
            trial.set_run(recorder.path.name)
            tell(RunStarted(trial.number, recorder.path.name))
            result = run(recorder, experiment, Unwatched(), stop=trial.report, tracking=tracking)
            trial.stopped = result.status == "pruned"  # W&B may have asked for it, too

    return train


def _clear_up(context: Context, path: Path) -> None:
    """Remove the run of an earlier attempt, which was cut short."""
    try:
        context.runs.remove(path)
    except (FfnnError, OSError) as error:
        context.notify(f"run {path.name} of an earlier attempt could not be removed: {error}")


@ended_by_the_parent
def main(task: WorkerTask, parent: Connection) -> None:
    """Work on a sweep until it is over or the parent says anything at all; tell it every event.

    Ctrl-C is the parent's to deal with: it says stop first, and sends SIGTERM when that is not fast enough,
    which closes the run under way as interrupted and gives its trial back.
    """

    def tell(message: Message) -> None:
        try:
            parent.send(message)
        except OSError:  # no fault of the trial under way, which is given back
            raise ParentGoneError from None

    try:
        store = TrialStore(task.url)
        sweep = store.sweep(task.sweep_id)
        context = Context(task.data_dir, task.runs_dir)
        with Tracking(context, task.options.wandb) as tracking:
            ended = work(
                store,
                sweep,
                objective(context, store, sweep, task.options, tell, reuse=task.reuse, tracking=tracking),
                count=task.count,
                forgiven=task.forgiven,
                on_event=tell,
                go_on=lambda: not parent.poll(),
                parent=task.parent,
            )
        if ended is not None:
            tell(ended)
    except (FfnnError, OSError) as error:
        tell(WorkerFailed(str(error)))
