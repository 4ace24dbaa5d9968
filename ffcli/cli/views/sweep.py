"""Progress of a sweep: a live view on a terminal, a line for each trial elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from ffcli.cli.output import Output
from ffcli.cli.text import duration, number, plain
from ffcli.util.text import are, counted

if TYPE_CHECKING:
    from ffcli.config import TrainConfig
    from ffcli.core.training import EpochResult
    from ffcli.sweeping.study.events import EpochDone, Event, SweepStarted, TrialEnded
    from ffcli.sweeping.study.record import Sweep

_BAR = 40  # characters


def fewer_runs(count: int, runs: int, size: int | None) -> str:
    """Say why a sweep whose space has ``size`` trainings has fewer runs than ``count``."""
    return f"not {count}: {'its space has no more' if runs == size else 'by the run_cap of the file'}"


class TrialLines:
    """Watches a sweep: one plain line for each trial that ends."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self.counts = {"finished": 0, "pruned": 0, "failed": 0}
        self.total: int | None = None
        self.best: float | None = None
        self.best_config: TrainConfig | None = None
        self._configs: dict[int, TrainConfig] = {}
        self._sweep: Sweep | None = None

    def __call__(self, event: Event) -> None:
        """Take in what happens."""
        from ffcli.execution.pool import Notice
        from ffcli.sweeping.study.events import Stopping, SweepStarted, TrialEnded, TrialLost, TrialStarted

        if isinstance(event, SweepStarted):
            self.started(event)
        elif isinstance(event, TrialStarted):
            self._configs[event.number] = event.config
        elif isinstance(event, TrialEnded):
            self._trial_ended(event)
        elif isinstance(event, TrialLost):
            self._out.notice(f"trial {event.number} is lost: {event.reason}; it will be tried again")
        elif isinstance(event, Notice):
            self._out.notice(event.text)
        elif isinstance(event, Stopping):
            self._out.notice("finishing running trials; press Ctrl-C again to stop them now")

    def started(self, event: SweepStarted) -> None:
        """Say which sweep it is, and where it stands."""
        sweep, counts = event.sweep, event.counts
        self._sweep, self.best = sweep, counts.best
        self.counts = {"finished": counts.finished, "pruned": counts.pruned, "failed": counts.failed}
        self.total = sweep.spec.most_trials(event.count)
        by = f"{counted(event.workers, 'worker')}, " if event.workers else ""
        self._out.notice(f"sweep {sweep.id} ({sweep.spec.method}), {by}{self._of_all(event.count)}")

    def _of_all(self, count: int | None) -> str:
        """Return in words how many runs there will be, and how many there are."""
        ended = sum(self.counts.values())
        there = f", {ended} {are(ended)} there already" if ended else ""
        if self.total is None:
            return f"runs without an end{there}: Ctrl-C stops it, --count N bounds it"
        less = ""
        if self._sweep is not None and count is not None and count > self.total:
            less = f" ({fewer_runs(count, self.total, self._sweep.spec.size)})"
        nothing = ": nothing is left to do" if ended >= self.total else ""
        return f"{counted(self.total, 'run')} in all{less}{there}{nothing}"

    @property
    def how_far(self) -> str:
        """A sentence on how many runs have ended, with a blank at its end; nothing where it never began."""
        if self._sweep is None:
            return ""
        ended = sum(self.counts.values())
        of = f" of {self.total}" if self.total else ""
        return f"{counted(ended, 'run')}{of} {are(ended)} done. "

    def _trial_ended(self, message: TrialEnded) -> None:
        self.counts[message.state] += 1
        config = self._configs.pop(message.number, None)
        if message.value is not None and self._beats(message.value):
            self.best, self.best_config = message.value, config
        self.tell_end(message, config)

    def tell_end(self, message: TrialEnded, config: TrainConfig | None) -> None:
        """Print the line of a trial that has ended."""
        of = f"/{self.total}" if self.total else ""
        outcome = f"{message.state} {number(message.value)}" if message.error is None else message.error
        what = plain(self.name(config)) if config else "refused"
        if message.reused is not None:
            what = f"reused from {message.reused}"
        self._out.notice(
            f"{sum(self.counts.values())}{of}  trial {message.number}  {plain(outcome)}  "
            f"{what}  {message.seconds:.1f}s  best {number(self.best)}"
        )

    def name(self, config: TrainConfig) -> str:
        """Return what a trial is called: the value that sets it apart from its pair, and its run's name."""
        from ffcli.config import run_name

        paired = self._sweep.paired if self._sweep is not None else None
        return run_name(config) if paired is None else f"{getattr(config, paired)}  {run_name(config)}"

    def _beats(self, value: float) -> bool:
        assert self._sweep is not None
        return self.best is None or self._sweep.metric.better(value, self.best)


class LiveView(TrialLines):
    """Watches a sweep on a terminal: how far it is, the best so far, and what each worker does."""

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._live = Live(console=out.stderr, auto_refresh=False, transient=True)
        self._doing: dict[tuple[int, int], str] = {}  # by trial and run
        self._runs: dict[int, int] = {}  # of each trial
        self._start = time.monotonic()
        self._done_here = 0

    def __call__(self, event: Event) -> None:
        """Take in what happens, and draw."""
        from ffcli.sweeping.study.events import EpochDone, SweepOver, SweepStarted, TrialEnded, TrialLost
        from ffcli.sweeping.study.events import TrialStarted as Started

        super().__call__(event)
        if isinstance(event, SweepStarted):
            self._live.start()
        elif isinstance(event, SweepOver):
            self._live.stop()
            return
        elif isinstance(event, Started):
            self._runs[event.number] = event.runs
            self._doing[event.number, 1] = self._of(event.number, 1)
        elif isinstance(event, EpochDone):
            self._epoch_done(event)
        elif isinstance(event, (TrialEnded, TrialLost)):
            for run in range(1, self._runs.get(event.number, 0) + 1):
                self._doing.pop((event.number, run), None)
        self._draw()

    def tell_end(self, message: TrialEnded, config: TrainConfig | None) -> None:
        """Count it; the view shows the rest."""
        self._done_here += 1

    def _draw(self) -> None:
        done = sum(self.counts.values())
        counts = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        head = f"{done} of {self.total or 'as many as you like'}: {counts}{self._left(done)}"
        lines = [Text(head, style="bold", no_wrap=True, overflow="ellipsis")]
        if self.total:
            filled = min(_BAR, _BAR * done // self.total)
            lines.append(Text.assemble(("━" * filled, "green"), ("━" * (_BAR - filled), "dim")))
        best = f"best {number(self.best)}  {self.name(self.best_config) if self.best_config else ''}"
        lines.append(Text(best, style="green", no_wrap=True, overflow="ellipsis"))
        for doing in self._doing.values():
            lines.append(Text(plain(doing), no_wrap=True, overflow="ellipsis"))
        self._live.update(Group(*lines), refresh=True)

    def _epoch_done(self, event: EpochDone) -> None:
        config = self._configs.get(event.number)
        self._doing[event.number, event.run] = self._of(event.number, event.run, event.result)
        if self._runs.get(event.number, 1) > 1 and config and event.result.epoch == config.epochs:
            del self._doing[event.number, event.run]  # another run follows it

    def _of(self, trial: int, run: int, last: EpochResult | None = None) -> str:
        """Return how far a run is, the name at the end: a narrow terminal has no room for it."""
        config, runs = self._configs.get(trial), self._runs.get(trial, 1)
        which = f"trial {trial}" if runs == 1 else f"trial {trial} run {run}/{runs}"
        epoch = f"epoch {last.epoch if last else 0}/{config.epochs if config else '?'}"
        val_acc = f"val_acc {number(last.val_acc if last else None)}"
        return f"{which}  {epoch}  {val_acc}  {self.name(config) if config else ''}"

    def _left(self, done: int) -> str:
        if not self.total or not self._done_here:
            return ""
        each = (time.monotonic() - self._start) / self._done_here
        return f"; {duration(each * (self.total - done))} left"


def sweep_watcher(out: Output) -> TrialLines:
    """Return what shows a sweep on this terminal or in this log."""
    return LiveView(out) if out.live else TrialLines(out)
