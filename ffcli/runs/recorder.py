"""Recording a run while it trains, so that the files on disk are always whole and can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ffcli.config import TrainConfig, validate
from ffcli.core.buffers import Array
from ffcli.core.network import Network
from ffcli.core.training import EpochResult
from ffcli.errors import FfnnError
from ffcli.runs.integrity import check_checkpoint, load_model, refuse_unreadable
from ffcli.runs.layout import SUMMARY
from ffcli.runs.model_file import digest, load_arrays, load_network, network_bytes, save_arrays
from ffcli.runs.record import HistoryRow, RunRecord, Status, are_all, history_csv, utc_now
from ffcli.runs.staging import NewFolder
from ffcli.runs.store import CHECKPOINT, CONFIG, ENDED, HISTORY, MODEL, lock_run
from ffcli.util.atomic_files import append, json_text, remove_leftovers, unlock, write_atomic
from ffcli.util.redact import without_secrets
from ffcli.util.signals import interrupts_deferred
from ffcli.util.text import counted


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after an epoch: its vectors, and the rest in types that JSON keeps exactly.

    ``scalars`` holds epoch, generator and the numbers of optimizer and schedule.
    """

    arrays: Mapping[str, Array]
    scalars: Mapping[str, Any]


@dataclass(frozen=True)
class StoredCheckpoint(Checkpoint):
    """A checkpoint with the best epoch up to it. ``best_state`` is None where that is its own epoch."""

    best: EpochResult
    best_state: Array | None


@dataclass(frozen=True)
class Model:
    """A network to store, and the description that is stored with it."""

    network: Network
    about: Mapping[str, Any]


class RunRecorder:
    """Holds a run's folder and writes into it; use it as a context.

    After each epoch the history gains a row, then the checkpoint, the model (when it is the best so far) and
    the summary are written, each whole. So the checkpoint's epoch is always in the history, and the best
    epoch's weights are in the model file or, when the process died in between, in the checkpoint itself. The
    checkpoint also holds the configuration, which must not change, and the digest of the model.
    """

    def __init__(
        self,
        path: Path,
        record: RunRecord,
        rows: Sequence[HistoryRow] = (),
        *,
        new: NewFolder | None = None,
        seen: bytes | None = None,
    ) -> None:
        """``new``: the folder of a run that is not there yet, which ``path`` will be.

        ``seen``: the record of a stored run when it was read, which has to be the same when the run is held.
        """
        self.path = path
        self.record = record
        self.rows = list(rows)
        self._history_bytes: int | None = None  # of the file as it was written here
        self._behind = False  # the files lack epochs that the record has
        self._new = new
        self._seen = seen
        self._lock: int | None = None

    def __enter__(self) -> RunRecorder:
        """Raises FfnnError where another process has the run, or has changed it since it was read."""
        if self._new is None:
            self._lock = lock_run(self.path, self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        if self._new is not None:
            self._new.close()
        unlock(self._lock)

    @property
    def is_recorded(self) -> bool:
        """Whether the run has a record on disk."""
        return (self.path / SUMMARY).exists()

    @contextmanager
    def _written_whole(self) -> Iterator[None]:
        """Let a Ctrl-C within the block wait until all is written, and say it where the folder is gone."""
        with interrupts_deferred():
            try:
                yield
            except FileNotFoundError:
                if self.path.is_dir():
                    raise
                raise FfnnError(
                    f"The folder of run {self.path.name} is gone: it was removed while the run was trained."
                ) from None

    def begin(self, config: TrainConfig) -> None:
        """Write the configuration and mark the run as running; a new one is there from now on."""
        remove_leftovers(self.path)
        self.record.config = config.as_dict()
        self.record.status, self.record.ended, self.record.error = "running", None, None
        folder = self.path if self._new is None else self._new.place
        settings = yaml.safe_dump(config.as_dict(), sort_keys=False)
        refuse_unreadable(self.record, settings)
        with self._written_whole():
            write_atomic(folder / CONFIG, settings)
            self._write_summary(folder)
            if self._new is not None:
                self._new.appear()

    def epoch(
        self,
        result: EpochResult,
        best: EpochResult | None,
        checkpoint: Checkpoint | None = None,
        model: Model | None = None,
    ) -> None:
        """Write an epoch, where the training stands after it, and the network if it is the best so far.

        ``best`` is the result of the best epoch up to this one. A diverged epoch has no checkpoint.
        """
        row = HistoryRow(result, utc_now())
        content = None if model is None else network_bytes(model.network, model.about)
        with self._written_whole():
            self._write_history(row)
            if checkpoint is not None:
                self.checkpoint(checkpoint, content)
            if content is not None:
                self._write_model(content)
            # Only now: should one of the files not be written, the record continues to say what is there.
            self.rows.append(row)
            self._history_bytes = (self.path / HISTORY).stat().st_size
            self.record.note_epoch(result, best)
            self._write_summary()
            self._behind = False

    def note_epoch(self, result: EpochResult, best: EpochResult | None) -> None:
        """Take an epoch into the record, to be written with the next one or the end."""
        self.rows.append(HistoryRow(result, utc_now()))
        self.record.note_epoch(result, best)
        self._behind = True

    def _write_history(self, row: HistoryRow) -> None:
        """Append a row; where the file is not as it was written here, write it whole."""
        path = self.path / HISTORY
        if not self._behind and path.is_file() and path.stat().st_size == self._history_bytes:
            append(path, history_csv([row], header=False))
        else:
            write_atomic(path, history_csv([*self.rows, row]))

    def checkpoint(self, checkpoint: Checkpoint, model: bytes | None = None) -> None:
        """Write where the training stands; ``model`` is the model file that is written next, if any."""
        model_sha256 = self.record.model_sha256 if model is None else digest(model)
        seal = {"config": self.record.config, "model_sha256": model_sha256}
        save_arrays(self.path / CHECKPOINT, checkpoint.arrays, {**checkpoint.scalars, **seal})

    def model(self, model: Model) -> None:
        """Write the network of the best epoch."""
        with self._written_whole():
            self._write_model(network_bytes(model.network, model.about))

    def _write_model(self, content: bytes) -> None:
        write_atomic(self.path / MODEL, content)
        self.record.model_sha256 = digest(content)

    def end(self, status: Status, error: str | None = None) -> None:
        """Close the record; a finished, diverged or pruned run needs its checkpoint no longer."""
        with self._written_whole():
            self.record.status, self.record.ended = status, utc_now()
            self.record.error = None if error is None else without_secrets(error)
            try:
                if self._behind:
                    write_atomic(self.path / HISTORY, history_csv(self.rows))
                self._write_summary()
            except BaseException:
                self.record.status = "running"  # as it is on disk
                raise
            if status in ENDED:
                (self.path / CHECKPOINT).unlink(missing_ok=True)

    def end_if_possible(self, status: Status, error: str | None = None) -> None:
        """Close the record of a run under way, if the disk allows it: what stopped it matters more."""
        if self.record.status != "running" or not self.is_recorded:
            return
        with suppress(OSError, FfnnError):
            self.end(status, error)

    def save(self) -> None:
        """Write what others have put into the record, if it is on disk at all."""
        if self.is_recorded:
            self._write_summary()

    def _write_summary(self, folder: Path | None = None) -> None:
        write_atomic((folder or self.path) / SUMMARY, json_text(self.record.as_dict()))

    def stored_checkpoint(self, steps_per_epoch: int) -> StoredCheckpoint | None:
        """Return the run's checkpoint, None where there is none.

        Epochs in the history after the checkpoint's are dropped: they will be trained again. Raises FfnnError
        where it does not fit the run.
        """
        path = self.path / CHECKPOINT
        if not path.is_file():
            self._keep_epochs(0)
            self.record.model_sha256 = None
            return None
        arrays, scalars = load_arrays(path)
        with self.checkpoint_fits():
            check_checkpoint(arrays, scalars, validate(self.record.config), steps_per_epoch)
            self._keep_epochs(scalars["epoch"])
            best = max((row.result for row in self.rows), key=lambda result: result.val_acc)
            before = best.epoch < scalars["epoch"]
            self.record.model_sha256 = scalars["model_sha256"]
            model = load_network(self.path / MODEL, [self.record.model_sha256]) if before else None
            best_state = None if model is None else model[0].state
            return StoredCheckpoint(arrays, scalars, best, best_state)

    def has_best(self) -> bool:
        """Whether the network of the best epoch is stored, as the file that the record names."""
        if self.record.model_sha256 is None:
            return False
        try:
            load_model(self.path, self.record)
        except FfnnError:
            return False
        return True

    @contextmanager
    def checkpoint_fits(self) -> Iterator[None]:
        """Raise FfnnError where the block cannot use what the checkpoint holds."""
        try:
            yield
        except (LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise FfnnError(f"{self.path / CHECKPOINT} does not fit the run: {error}") from None

    def _keep_epochs(self, epochs: int) -> None:
        """Reduce the record to the first ``epochs`` epochs. Raises ValueError where one is missing."""
        self.rows = [row for row in self.rows if row.result.epoch <= epochs]
        if not are_all(self.rows, epochs):
            raise ValueError(f"{HISTORY} does not hold exactly {counted(epochs, 'epoch')}, each once")
        self.record.seconds, self.record.best = 0.0, {}
        self.record.epochs_done, self.record.best_epoch, self.record.best_val_acc = 0, None, None
        best: EpochResult | None = None
        for row in self.rows:
            if best is None or row.result.val_acc > best.val_acc:
                best = row.result
            self.record.note_epoch(row.result, best)
