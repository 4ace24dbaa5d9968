"""Progress on stderr: bars for downloads, and a line per epoch for training."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from ffcli.cli.output import Output
from ffcli.cli.text import duration, number, plain

if TYPE_CHECKING:
    from ffcli.core.training import EpochResult
    from ffcli.training.events import TrainingEvent, TrainingStarted

_REFRESH = 0.1  # seconds between two drawings of the bar


class DownloadBars:
    """One bar for each transfer, gone when it ends."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._bar: Progress | None = None

    def start(self, label: str, total: int | None) -> None:
        """Begin a bar; ``total`` is in bytes, None where it is not known."""
        self.close()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._out.stderr,
            transient=True,
            expand=True,
        )
        self._bar.add_task(plain(label), total=total)
        self._bar.start()

    def advance(self, n: int) -> None:
        """Say that ``n`` more bytes have arrived."""
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], n)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class EpochLines:
    """Shows a training run: one plain line per epoch, for logs."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self.run_id: str | None = None
        self.epochs = 0

    def __call__(self, event: TrainingEvent) -> None:
        """Show an event of the training."""
        from ffcli.training.events import EpochEnded, StepsDone, TrainingStarted

        if isinstance(event, StepsDone):
            self._steps_done(event.done, event.total)
        elif isinstance(event, TrainingStarted):
            self._started(event)
        elif isinstance(event, EpochEnded):
            self._epoch_ended(event.result, event.best)
        else:
            self._over()

    def _started(self, event: TrainingStarted) -> None:
        if self.run_id is None:  # a resumed run may start twice
            self._out.notice(f"run {event.run_id}: {event.steps_per_epoch:,} steps per epoch")
        self.run_id, self.epochs = event.run_id, event.config.epochs

    def _steps_done(self, done: int, total: int) -> None:
        """Show nothing within an epoch."""

    def _epoch_ended(self, result: EpochResult, best: bool) -> None:
        self._out.notice(
            f"epoch {result.epoch}/{self.epochs}  train_loss {number(result.train_loss)}  "
            f"train_acc {number(result.train_acc)}  val_loss {number(result.val_loss)}  "
            f"val_acc {number(result.val_acc)}  {result.seconds:.1f}s"
        )

    def _over(self) -> None:
        """Show nothing: the result follows."""


class EpochTable(EpochLines):
    """Shows a training run on a terminal: a row per epoch, above a bar within the epoch."""

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._bar: Progress | None = None
        self._has_head = False
        self._epoch = 1
        self._done = self._steps = 0  # of this epoch, and of those before it
        self._start = self._drawn = 0.0

    def _started(self, event: TrainingStarted) -> None:
        super()._started(event)
        self._over()
        self._epoch, self._done, self._steps = event.first_epoch, 0, 0
        self._start = time.monotonic()
        self._bar = Progress(
            TextColumn("epoch {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("steps  {task.fields[left]}"),
            console=self._out.stderr,
            transient=True,
            auto_refresh=False,
        )
        self._bar.add_task(self._of(event.first_epoch), total=event.steps_per_epoch, left="")
        self._bar.start()
        self._bar.refresh()

    def _steps_done(self, done: int, total: int) -> None:
        """Move the bar at most ten times a second."""
        if done <= self._done:  # the next epoch has begun
            self._epoch += 1
            self._steps += total
        self._done = done
        now = time.monotonic()
        if self._bar is None or now - self._drawn < _REFRESH:
            return
        self._drawn = now
        steps_left = (self.epochs - self._epoch + 1) * total - done
        left = duration((now - self._start) / max(self._steps + done, 1) * steps_left)
        self._bar.update(
            self._bar.task_ids[0],
            description=self._of(self._epoch),
            completed=done,
            left=f"{left} left",
            refresh=True,
        )

    def _epoch_ended(self, result: EpochResult, best: bool) -> None:
        """Add the row of the epoch; the best so far is highlighted."""
        if not self._has_head:
            self._print(f"{'epoch':>9}  train_loss  train_acc    val_loss    val_acc     time", "bold")
            self._has_head = True
        self._print(
            f"{self._of(result.epoch):>9}  {number(result.train_loss):>10}  {number(result.train_acc):>9}  "
            f"{number(result.val_loss):>10}  {number(result.val_acc):>9}  {result.seconds:>6.1f}s"
            + ("  best" if best else ""),
            "green" if best else "",
        )

    def _over(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, line: str, style: str) -> None:
        self._out.stderr.print(Text(line, style=style), soft_wrap=True)

    def _of(self, epoch: int) -> str:
        return f"{epoch}/{self.epochs}"


def training_view(out: Output) -> EpochLines:
    """Return what shows a training run on this terminal or in this log."""
    return EpochTable(out) if out.live else EpochLines(out)
