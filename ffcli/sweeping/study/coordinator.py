"""The coordinator of a sweep: it alone proposes, counts and records; the trials run on a worker pool."""

from __future__ import annotations

import time
from contextlib import suppress

from ffcli.errors import FfnnError
from ffcli.execution.pool import (
    Notice,
    PoolEvent,
    Task,
    TaskEnded,
    TaskEpoch,
    TaskLost,
    TaskStarted,
    WorkerPool,
)
from ffcli.sweeping.search.base import Known
from ffcli.sweeping.search.methods import proposer
from ffcli.sweeping.study.ending import why_over
from ffcli.sweeping.study.events import (
    EpochDone,
    OnEvent,
    Stopping,
    TrialEnded,
    TrialLost,
    TrialStarted,
    unfailing,
)
from ffcli.sweeping.study.journal import sound
from ffcli.sweeping.study.plan import Plan
from ffcli.sweeping.study.record import Ended, EndState, Trial
from ffcli.sweeping.study.stopping import stops_after
from ffcli.sweeping.study.under_way import UnderWay
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.util.signals import Terminated, interrupts_deferred

STARTS = 3  # a trial that was started so often without an end fails
TICK = 0.25  # seconds after which Ctrl-C is heeded at the latest


class Coordinator:
    """Runs one sweep on a pool, as the owner of its record.

    ``on_event`` is told what happens, and cannot fail it (see `unfailing`).
    """

    def __init__(self, study: StudyWriter, pool: WorkerPool, plan: Plan, on_event: OnEvent) -> None:
        self._study = study
        self._pool = pool
        self._plan = plan
        self._tell = unfailing(on_event)
        self._sweep = study.sweep
        self._most = self._sweep.spec.most_trials(plan.count)
        self._proposer = proposer(self._sweep.spec, self._sweep.seed, self._sweep.paired)
        self._forgiven = study.counts.failed  # failures of before do not end the sweep again
        self._waiting: list[int] = []  # trials that were started, and have no end
        self._open: dict[int, UnderWay] = {}  # by number
        self._tasks: dict[str, tuple[UnderWay, int]] = {}  # the trial and the run of each task, by its key
        self._ended: Ended | None = None
        self._failure: FfnnError | None = None
        self._stopping = False
        self._late = False
        for trial in study.trials:
            with sound(f"trial {trial.number} of sweep {self._sweep.id}"):
                self._learn(trial)
            if trial.state == "running":
                self._waiting.append(trial.number)

    def run(self) -> Ended | None:
        """Run trials until the sweep is over, and return why it is.

        KeyboardInterrupt lets the trials under way end before it passes through; a second one and Terminated
        do not. Raises FfnnError where the pool, the disk or the dataset fails. Whatever is raised, the sweep
        can be resumed.
        """
        try:
            try:
                self._work()
            except Terminated:  # whoever asks so waits some seconds, which a training may well exceed
                raise
            except KeyboardInterrupt:
                self._stopping = True
                self._tell(Stopping())
                self._work()
                raise
            if self._failure is not None:
                raise self._failure
            return self._ended
        finally:
            self._give_back()

    def _work(self) -> None:
        """Propose, submit and listen, until no run is open and none is to begin."""
        while True:
            with interrupts_deferred():  # Ctrl-C between a change and its record would leave them apart
                if self._plan.deadline is not None and time.monotonic() >= self._plan.deadline:
                    self._late = self._stopping = True  # whether or not a worker is free
                if not self._stopping and self._pool.free > 0 and self._begin_one():
                    continue
                if not self._tasks and (self._stopping or not self._open):
                    self._ended = self._ended or self._why_over()
                    # Without a free worker it waits for one, which may still have to join the cluster.
                    if self._stopping or self._ended is not None or self._pool.free > 0:
                        return
                for event in self._pool.wait(TICK):
                    self._hear(event)

    # What comes next

    def _begin_one(self) -> bool:
        """Begin one run of an open trial, else one trial; False where there is none to begin now."""
        each = self._open.values()
        opened = next((trial for trial in each if trial.waiting and not trial.begins_no_more), None)
        if opened is None and not self._may_begin_a_trial():
            return False
        if opened is not None:
            self._submit(opened, opened.waiting.pop(0))
        elif self._waiting:
            self._again(self._next_waiting())
        else:
            trial = self._study.begin(self._proposer.propose(self._study.proposed + 1))
            self._learn(trial)
            self._train(UnderWay.of(trial, self._sweep, {}))
        return True

    def _may_begin_a_trial(self) -> bool:
        self._ended = self._ended or self._why_over()
        taken = self._study.counts.ended + len(self._open)
        return self._ended is None and (self._most is None or taken < self._most)

    def _why_over(self) -> Ended | None:
        under_way = bool(self._open)
        return why_over(
            self._study, self._most, forgiven=self._forgiven, under_way=under_way, late=self._late
        )

    def _next_waiting(self) -> Trial:
        """Return the trial that was started most often, the first of several."""
        number = min(self._waiting, key=lambda number: (-self._study[number].starts, number))
        self._waiting.remove(number)
        return self._study[number]

    def _again(self, trial: Trial) -> None:
        """Start a trial again that has no end, unless one has come of it or it was started too often."""
        opened = UnderWay.of(trial, self._sweep, self._plan.left_over(trial))
        self._record_runs(opened)
        if opened.waiting and not opened.begins_no_more:
            if trial.starts >= STARTS:
                self._end(opened, "failed", error=f"it was started {trial.starts} times and never finished")
                return
            opened.trial = self._study.set_starts(trial, trial.starts + 1)
        self._train(opened)

    def _train(self, opened: UnderWay) -> None:
        """Train the runs of a trial that stored runs do not tell; end it where none is left."""
        for run in list(opened.waiting):
            if not opened.begins_no_more:
                past = self._plan.reusable(opened.trial, opened.configs[run])
                if past is not None:
                    opened.waiting.remove(run)
                    opened.take_over(run, past)
        for epoch in opened.epochs():
            self._study.epoch(opened.trial, epoch, self._sweep.metric.of(opened.after(epoch)))
        self._record_runs(opened)
        self._open[opened.trial.number] = opened
        if not opened.waiting or opened.begins_no_more:
            self._settle(opened)
            return
        trial = opened.trial
        self._tell(TrialStarted(trial.number, trial.starts, trial.config, len(opened.configs)))
        self._submit(opened, opened.waiting.pop(0))

    def _submit(self, opened: UnderWay, run: int) -> None:
        """Have one run of a trial trained."""
        trial, config = opened.trial, opened.configs[run]
        key = f"{trial.number}.{trial.starts}" + (f".{run + 1}" if len(opened.configs) > 1 else "")
        opened.tasks[run] = key
        opened.began = opened.began or time.monotonic()
        self._tasks[key] = (opened, run)
        self._pool.submit(
            Task(
                key,
                config,
                self._plan.digest(config),
                self._plan.options,
                sweep_id=self._sweep.id,
                provenance={"trial": trial.number},
                waits_for_verdict=self._sweep.spec.early_terminate is not None,
                keep_unfinished_weights=False,
            )
        )

    # What the pool says

    def _hear(self, event: PoolEvent) -> None:
        if isinstance(event, Notice):
            self._tell(event)
            return
        if event.key not in self._tasks:  # of a trial that was given back
            return
        opened, run = self._tasks[event.key]
        if isinstance(event, TaskStarted):
            self._record_run(opened, run, event.run_id)
        elif isinstance(event, TaskEpoch):
            self._epoch(opened, run, event)
        else:
            self._record_run(opened, run, event.run_id)
            del opened.tasks[run], self._tasks[event.key]
            if isinstance(event, TaskLost):
                opened.lost |= not event.worker_failed
                opened.given_back |= event.worker_failed
                self._tell(TrialLost(opened.trial.number, event.reason))
            else:
                self._task_ended(event, opened, run)
            self._settle(opened)

    def _record_run(self, opened: UnderWay, run: int, run_id: str | None) -> None:
        if run_id is not None:
            opened.run_ids[run] = run_id
            self._record_runs(opened)

    def _record_runs(self, opened: UnderWay) -> None:
        if opened.run_ids and opened.trial.run_ids != tuple(opened.stored):
            opened.trial = self._study.set_runs(opened.trial, opened.stored)

    def _epoch(self, opened: UnderWay, run: int, event: TaskEpoch) -> None:
        epoch = event.result.epoch
        opened.add(run, event.result)
        self._study.epoch(opened.trial, epoch, self._sweep.metric.of(opened.after(epoch)))
        hyperband = self._sweep.spec.early_terminate
        if hyperband is not None:
            means = [opened.after(each) for each in opened.epochs() if each <= epoch]
            opened.pruned |= stops_after(
                hyperband, self._sweep.metric, means, opened.trial.config.epochs, self._study.trials
            )
            self._pool.verdict(event.key, stop=opened.pruned or opened.error is not None)
        self._tell(EpochDone(opened.trial.number, event.result, opened.pruned, run + 1))

    def _task_ended(self, event: TaskEnded, opened: UnderWay, run: int) -> None:
        if event.status == "interrupted" or event.fatal:
            opened.given_back = True
            if event.fatal:  # no further trial begins, and those under way end before this is raised
                self._failure = self._failure or FfnnError(event.error or "A worker cannot continue.")
                self._stopping = True
        elif event.status == "pruned":
            opened.pruned = True
        elif event.status != "finished":
            opened.fail(run, event.error or f"it {event.status}")
            for key in opened.tasks.values():
                self._pool.stop(key)

    def _settle(self, opened: UnderWay) -> None:
        """Once no run of a trial is trained any more, end the trial, or let it wait for another start."""
        if opened.tasks or (opened.waiting and not opened.begins_no_more):
            return
        number = opened.trial.number
        if opened.error is not None:
            self._end(opened, "failed", error=opened.error)
        elif opened.lost or opened.given_back:
            self._take_back_the_start(opened)
            self._waiting.append(number)
        else:
            self._end(opened, "pruned" if opened.pruned else "finished")
        self._open.pop(number, None)

    def _end(self, opened: UnderWay, state: EndState, *, error: str | None = None) -> None:
        value, epoch = (None, None) if state == "failed" else opened.value(self._sweep.metric)
        if state != "failed" and value is None:
            state, error = "failed", "no epoch has a finite value of the metric"
        reused = opened.reused
        trial = self._study.end(
            opened.trial, state, value=value, best_epoch=epoch, error=error, reused=reused
        )
        self._learn(trial)
        self._plan.ended(trial)
        self._tell(TrialEnded(trial.number, state, value, epoch, error, opened.seconds, reused))

    # What is known

    def _learn(self, trial: Trial) -> None:
        is_open = trial.state == "running"
        self._proposer.learn(Known(trial.number, is_open, trial.value, trial.values, trial.point))

    def _take_back_the_start(self, opened: UnderWay) -> None:
        """Record that a trial was not started, unless a lost worker has cost it this start."""
        if not opened.lost:
            self._study.set_starts(opened.trial, opened.trial.starts - 1)

    def _give_back(self) -> None:
        """Let the open trials wait for another start: their workers are stopped, not dead."""
        with interrupts_deferred():
            for opened in self._open.values():
                if self._study[opened.trial.number].state == "running":
                    with suppress(OSError, FfnnError):  # what stopped the sweep matters more
                        self._take_back_the_start(opened)
            self._open.clear()
            self._tasks.clear()
