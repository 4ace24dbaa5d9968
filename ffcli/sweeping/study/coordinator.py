"""The coordinator of a sweep: it alone proposes, counts and records; the trials run on a worker pool."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from ffcli.core.training import EpochResult
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
from ffcli.sweeping.study.events import (
    EpochDone,
    OnEvent,
    Stopping,
    TrialEnded,
    TrialLost,
    TrialStarted,
    unfailing,
)
from ffcli.sweeping.study.plan import Plan
from ffcli.sweeping.study.record import Ended, EndState, Past, Trial, best_epoch
from ffcli.sweeping.study.stopping import stops_after
from ffcli.sweeping.study.study import StudyWriter
from ffcli.util.signals import Terminated, interrupts_deferred
from ffcli.util.text import are, counted

STARTS = 3  # a trial that was started so often without an end fails
_FIRST_FAILURES = 3  # so many at the start end the sweep
TICK = 0.25  # seconds after which Ctrl-C is heeded at the latest


@dataclass
class _Open:
    """A trial that runs: when it was submitted, and its epochs."""

    trial: Trial
    began: float
    results: list[EpochResult] = field(default_factory=list)


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
        self._open: dict[str, _Open] = {}
        self._ended: Ended | None = None
        self._failure: FfnnError | None = None
        self._stopping = False
        for trial in study.trials:
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
        """Propose, submit and listen, until no trial is open and none is to begin."""
        while True:
            with interrupts_deferred():  # Ctrl-C between a change and its record would leave them apart
                while not self._stopping and self._pool.free > 0 and self._begin_one():
                    pass
                if not self._open:
                    self._ended = self._ended or self._why_over()
                    # Without a free worker it waits for one, which may still have to join the cluster.
                    if self._stopping or self._ended is not None or self._pool.free > 0:
                        return
                for event in self._pool.wait(TICK):
                    self._hear(event)

    # What comes next

    def _begin_one(self) -> bool:
        """Begin one trial; False where there is none to begin now."""
        self._ended = self._why_over()
        if self._ended is not None:
            self._stopping = True
            return False
        taken = self._study.counts.ended + len(self._open)
        if self._most is not None and taken >= self._most:
            return False
        if self._waiting:
            self._again(self._next_waiting())
            return True
        proposal = self._proposer.propose(len(self._study.trials) + 1)
        trial = self._study.begin(proposal)
        self._learn(trial)
        self._start(trial)
        return True

    def _why_over(self) -> Ended | None:
        """Return why no trial is to begin any more, None where one may."""
        metric, counts = self._sweep.metric, self._study.counts
        if counts.best is not None and metric.reached(counts.best):
            return Ended("target", f"{metric.name} {counts.best:g} has reached the target {metric.target:g}.")
        failed = counts.failed - self._forgiven
        if failed >= _FIRST_FAILURES and not counts.finished + counts.pruned:
            last = [trial.error or "" for trial in self._study.trials if trial.state == "failed"]
            each = " | ".join(dict.fromkeys(last[-_FIRST_FAILURES:]))
            return Ended("failures", f"The first {_FIRST_FAILURES} trials all failed: {each}")
        if self._open or self._most is None or counts.ended < self._most:
            return None
        if counts.ended == self._sweep.spec.size:
            return Ended("space", f"All {counts.ended} combinations of the space were tried.")
        return Ended("count", f"{counted(counts.ended, 'trial')} {are(counts.ended)} done.")

    def _next_waiting(self) -> Trial:
        """Return the trial that was started most often, the first of several."""
        number = min(self._waiting, key=lambda number: (-self._study[number].starts, number))
        self._waiting.remove(number)
        return self._study[number]

    def _again(self, trial: Trial) -> None:
        """Start a trial again that has no end, unless one has come of it or it was started too often."""
        past = self._plan.left_over(trial)
        if past is not None:
            self._take_over(trial, past)
        elif trial.starts < STARTS:
            self._start(self._study.set_starts(trial, trial.starts + 1))
        else:
            times = counted(trial.starts, "time")
            self._end(trial, "failed", 0.0, error=f"it was started {times} without an end")

    def _start(self, trial: Trial) -> None:
        """Have a trial trained that is recorded as started."""
        past = self._plan.reusable(trial)
        if past is not None:
            self._take_over(trial, past)
            return
        self._tell(TrialStarted(trial.number, trial.starts, trial.config))
        key = f"{trial.number}.{trial.starts}"
        self._open[key] = _Open(trial, time.monotonic())
        self._pool.submit(
            Task(
                key,
                trial.config,
                self._plan.digest(trial.config),
                self._plan.options,
                sweep_id=self._sweep.id,
                provenance={"trial": trial.number},
                waits_for_verdict=self._sweep.spec.early_terminate is not None,
                keep_unfinished_weights=False,
            )
        )

    def _take_over(self, trial: Trial, past: Past) -> None:
        """End a trial by what a stored run came to."""
        for result in past.results:
            self._study.epoch(trial, result.epoch, self._metric(result))
        if trial.run_ids != (past.run_id,):
            self._study.set_runs(trial, [past.run_id])
        last = past.results[-1]
        state: EndState = "failed" if last.diverged else "pruned" if past.pruned else "finished"
        error = f"the loss was not finite in epoch {last.epoch}" if last.diverged else None
        self._end(trial, state, 0.0, past.results, error=error, reused=past.source)

    # What the pool says

    def _hear(self, event: PoolEvent) -> None:
        if isinstance(event, Notice):
            self._tell(event)
            return
        opened = self._open.get(event.key)
        if opened is None:  # of a trial that was given back
            return
        if isinstance(event, TaskStarted):
            opened.trial = self._study.set_runs(opened.trial, [event.run_id])
        elif isinstance(event, TaskEpoch):
            self._epoch(opened, event)
        elif isinstance(event, TaskLost):
            self._lost(event, opened)
        else:
            self._task_ended(event, opened)

    def _epoch(self, opened: _Open, event: TaskEpoch) -> None:
        opened.results.append(event.result)
        self._study.epoch(opened.trial, event.result.epoch, self._metric(event.result))
        stops, hyperband = False, self._sweep.spec.early_terminate
        if hyperband is not None:
            results, epochs = opened.results, opened.trial.config.epochs
            stops = stops_after(hyperband, self._sweep.metric, results, epochs, self._study.trials)
            self._pool.verdict(event.key, stop=stops)
        self._tell(EpochDone(opened.trial.number, event.result, stops))

    def _metric(self, result: EpochResult) -> float:
        return float(getattr(result, self._sweep.metric.name))

    def _lost(self, event: TaskLost, opened: _Open) -> None:
        """Let a trial wait whose worker is gone; it is started again, if not too often."""
        del self._open[event.key]
        self._waiting.append(opened.trial.number)
        if event.worker_failed:
            opened.trial = self._study.set_starts(opened.trial, opened.trial.starts - 1)
        if event.run_id is not None and opened.trial.run_ids != (event.run_id,):
            self._study.set_runs(opened.trial, [event.run_id])
        self._tell(TrialLost(opened.trial.number, event.reason))

    def _task_ended(self, event: TaskEnded, opened: _Open) -> None:
        trial = opened.trial
        if event.status == "interrupted" or event.fatal:
            self._study.set_starts(trial, trial.starts - 1)
            del self._open[event.key]
            self._waiting.append(trial.number)
            if event.fatal:
                self._fail(event.error or "A worker cannot go on.")
            return
        state: EndState = "failed"
        error = event.error
        if event.status in ("finished", "pruned"):
            state = "finished" if event.status == "finished" else "pruned"
        elif error is None:
            error = f"it {event.status}"
        if event.run_id is not None and trial.run_ids != (event.run_id,):
            trial = self._study.set_runs(trial, [event.run_id])
        self._end(trial, state, time.monotonic() - opened.began, opened.results, error=error)
        del self._open[event.key]

    def _end(
        self,
        trial: Trial,
        state: EndState,
        seconds: float,
        results: Iterable[EpochResult] = (),
        *,
        error: str | None = None,
        reused: str | None = None,
    ) -> None:
        value, epoch = (None, None) if state == "failed" else best_epoch(self._sweep.metric, results)
        if state != "failed" and value is None:
            state, error = "failed", "no epoch has a finite value of the metric"
        trial = self._study.end(trial, state, value=value, best_epoch=epoch, error=error, reused=reused)
        self._learn(trial)
        self._plan.ended(trial)
        self._tell(TrialEnded(trial.number, state, value, epoch, error, seconds, reused))

    def _fail(self, message: str) -> None:
        """Begin no further trial, and raise FfnnError once those under way have ended."""
        self._failure = self._failure or FfnnError(message)
        self._stopping = True

    # What is known

    def _learn(self, trial: Trial) -> None:
        is_open = trial.state == "running"
        self._proposer.learn(Known(trial.number, is_open, trial.value, trial.values, trial.point))

    def _give_back(self) -> None:
        """Record that the open trials were not started: their workers are stopped, not dead."""
        with interrupts_deferred():
            for opened in self._open.values():
                if self._study[opened.trial.number].state == "running":
                    with suppress(OSError, FfnnError):  # what stopped the sweep matters more
                        self._study.set_starts(opened.trial, opened.trial.starts - 1)
            self._open.clear()
