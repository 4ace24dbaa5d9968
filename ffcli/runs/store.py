"""The run store: creating, finding, reading and removing runs."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.ids import find_id, near, new_run_id, no_run, some
from ffcli.runs.layout import RESERVED, SUMMARY, file_sizes, run_ids
from ffcli.runs.record import HistoryRow, RunRecord, parse_history
from ffcli.runs.staging import NewFolder, remove_unbegun, remove_whole
from ffcli.util.atomic_files import check_room, lock_folder, remove_leftovers, unlock
from ffcli.util.safe_read import HISTORY_BYTES, is_name, parse_yaml, read_file, shown

CONFIG, HISTORY = "config.yaml", "history.csv"
MODEL, CHECKPOINT = "model.safetensors", "checkpoint.safetensors"
ENDED = ("finished", "diverged", "pruned")  # a run of this status needs its checkpoint no longer


class DamagedRunError(FfnnError):
    """A run's folder does not hold a readable record."""


class RunStore:
    """All runs under one folder, each in a folder named by its id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> NewFolder:
        """Make the folder of a new run, which is held from its first moment on.

        Raises OSError where it cannot.
        """
        self._refuse_file()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except NotADirectoryError:
            raise RequestError(
                f"expected a folder, got {self.folder}, which is below a file", parameter="runs_dir"
            ) from None
        remove_unbegun(self.folder)
        known = [entry.name for entry in self.folder.iterdir()]
        while True:
            with suppress(FileExistsError):
                return NewFolder(self.folder / new_run_id(known))

    def check_room(self) -> None:
        """Raise OSError where no run can be begun, since the folder or its disk takes no file."""
        with self.create() as new:
            check_room(new.place)

    def path(self, run_id: str) -> Path:
        """Return the folder of a run. Raises DamagedRunError for an id that would lead out of the store.

        Ids also come from studies, from W&B and from the files of other runs.
        """
        self._check_id(run_id)
        return self.folder / run_id

    def _check_id(self, run_id: str) -> None:
        if not is_name(run_id) or run_id in RESERVED:
            raise DamagedRunError(f"'{shown(run_id)}' is not a valid run id.")

    def of_sweep(self, run_id: str, sweep_id: str) -> Path | None:
        """Return the folder of a run of this very sweep, or None where there is none.

        What a damaged study says of a run must not make its owner lose another.
        """
        record = self.sound(run_id)
        return self.folder / run_id if record is not None and record.sweep_id == sweep_id else None

    def _refuse_file(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise RequestError(f"expected a folder, got the file {self.folder}", parameter="runs_dir")

    def ids(self) -> list[str]:
        """Return the ids of all runs, the oldest first. Raises RequestError where the folder is a file.

        A folder that has the name of a run is one, even where its record is gone.
        """
        self._refuse_file()
        return run_ids(self.folder)

    def find(self, run: str) -> Path:
        """Return the folder of the run with this id, with the one id that starts or ends so, or of this name.

        The path of a run's folder stands for its last part.

        Raises RequestError, naming near ones, where there is none or more than one, or where it is a sweep.
        """
        ids = self.ids()
        if "/" in run and "\0" not in run and _is_same(Path(run).parent, self.folder):
            run = Path(run).name
        found = find_id("run", run, ids)
        if found is not None:
            return self.folder / found
        named = [record.run_id for record in self.records() if record.name == run]
        if len(named) > 1:
            raise RequestError(f"'{shown(run)}' is the name of {len(named)} runs: {some(named)}.")
        if named:
            return self.folder / named[0]
        other = no_run(self.folder, run)
        if other is not None:
            raise other
        if not ids:
            raise RequestError(f"There is no run '{shown(run)}': {self.folder} holds no runs.")
        raise RequestError(
            f"There is no run '{shown(run)}' in {self.folder}.{near(run, ids)}",
            hint="ffnn runs list shows them all.",
        )

    def read(self, run_id: str) -> RunRecord:
        """Return a run's record; a "running" one whose process is gone counts as interrupted.

        Raises DamagedRunError where there is no sound one.
        """
        return self.read_seen(run_id)[0]

    def sound(self, run_id: str | None) -> RunRecord | None:
        """Return a run's record as `read` does, None where there is no sound one."""
        with suppress(DamagedRunError):
            return self.read(run_id or "")
        return None

    def read_seen(self, run_id: str) -> tuple[RunRecord, bytes]:
        """Return a run's record as `read` does, and the bytes that it was read from, for `lock_run`."""
        seen = self.summary(run_id)
        try:
            record = RunRecord.from_json(seen)
        except ValueError as error:
            raise DamagedRunError(f"The record of run {run_id} is damaged: {error}") from None
        record.run_id = run_id  # a folder may have been copied or renamed
        if record.status == "running" and _is_abandoned(self.folder / run_id):
            record.status = "interrupted"
        return record, seen

    def summary(self, run_id: str) -> bytes:
        """Return the file of a run's record. Raises DamagedRunError where it cannot be read."""
        self._check_id(run_id)
        try:
            # Without Path, which takes as long as the reading: there may be thousands.
            return read_file(os.path.join(self.folder, run_id, SUMMARY))  # noqa: PTH118
        except FileNotFoundError:
            raise DamagedRunError(
                f"Run {run_id} has no record: it was removed in part.",
                hint=f"ffnn runs rm {run_id} removes what is there.",
            ) from None
        except (OSError, ValueError) as error:
            raise DamagedRunError(f"The record of run {run_id} is damaged: {error}") from None

    def records(self, damaged: list[str] | None = None) -> Iterator[RunRecord]:
        """Yield every sound record, the oldest first; ``damaged`` receives the ids of the others."""
        for run_id in self.ids():
            try:
                yield self.read(run_id)
            except DamagedRunError:
                path = self.folder / run_id
                if not path.is_dir() or not ((path / SUMMARY).exists() or _is_abandoned(path)):
                    continue  # just being removed
                if damaged is not None and path.is_dir():  # nor removed since
                    damaged.append(run_id)

    def history(self, run_id: str) -> list[HistoryRow]:
        """Return a run's epochs. Raises DamagedRunError where the file is damaged; a missing one is empty."""
        try:
            return parse_history(
                read_file(self.path(run_id) / HISTORY, HISTORY_BYTES).decode("utf-8-sig", "replace")
            )
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
            raise DamagedRunError(f"The history of run {run_id} is damaged: {error}") from None

    def config(self, run_id: str) -> dict[str, Any]:
        """Return a run's configuration as stored."""
        try:
            values = parse_yaml(read_file(self.path(run_id) / CONFIG).decode("utf-8"))
        except (OSError, ValueError) as error:
            raise DamagedRunError(f"The configuration of run {run_id} is damaged: {error}") from None
        if not isinstance(values, dict):
            raise DamagedRunError(f"The configuration of run {run_id} is damaged.")
        return values

    def files(self, run_id: str) -> dict[str, int]:
        """Return the sizes in bytes of all files in a run's folder, by their paths in it."""
        return dict(file_sizes(os.path.join(self.folder, run_id)))  # noqa: PTH118

    def tidy(self, record: RunRecord, files: Iterable[str]) -> None:
        """Remove what a process that was killed between two steps has left among the run's ``files``.

        That is the checkpoint of an ended run, and halves of files. Nothing is done where a process has the
        run, or where the folder cannot be written.
        """
        left = any(name.startswith(".") or (name == CHECKPOINT and record.status in ENDED) for name in files)
        path = self.folder / record.run_id
        if not left:
            return
        with suppress(OSError, DamagedRunError):
            lock = lock_folder(path)
            try:
                remove_leftovers(path)
                if lock is not None and self.read(record.run_id).status in ENDED:  # by now
                    (path / CHECKPOINT).unlink(missing_ok=True)
            finally:
                unlock(lock)

    def has_model(self, run_id: str) -> bool:
        """Whether the network of a run is stored."""
        return (self.path(run_id) / MODEL).is_file()

    def remove(self, run_id: str, check: Callable[[], None] = lambda: None) -> None:
        """Remove a run, whole or not at all. Of a link to a folder elsewhere only the link goes.

        ``check`` is called once no process can train the run. Raises what it raises, FfnnError where a
        process is still training the run, OSError.
        """
        path = self.folder / run_id
        try:
            lock = lock_folder(path)
        except BlockingIOError:
            raise FfnnError(f"Run {run_id} is still running.", hint="Stop it first.") from None
        try:
            check()
            if path.is_symlink():
                path.unlink()
                return
            remove_whole(path)
        finally:
            unlock(lock)


def lock_run(path: Path, seen: bytes | None = None) -> int | None:
    """Hold a run's folder, as `lock_folder` does.

    Raises FfnnError where another process holds it, or where its record is no longer what was ``seen``.
    """
    try:
        lock = lock_folder(path)
    except BlockingIOError:
        raise FfnnError(f"Run {path.name} is still running in another process.") from None
    try:
        is_same = seen is None or read_file(path / SUMMARY) == seen
    except (OSError, ValueError):  # just removed
        is_same = False
    if not is_same:
        unlock(lock)
        raise FfnnError(f"Another process has just changed run {path.name}.", hint="Try again.")
    return lock


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same folder; what links to itself leads nowhere."""
    return os.path.realpath(one) == os.path.realpath(other)


def _is_abandoned(path: Path) -> bool:
    """Whether no process holds the run any more."""
    try:
        unlock(lock_folder(path, shared=True))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
