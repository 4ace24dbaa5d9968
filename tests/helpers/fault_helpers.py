"""A place where the command is run in processes that are killed, and what must hold afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from child_processes import patience, wait_until
from small_runs import without_times, write_dataset
from tiny_datasets import write_idx
from wandb_standin import StandIn

from ffcli.config import TrainConfig, validate
from ffcli.runs.record import STATUSES
from ffcli.runs.store import CHECKPOINT, CONFIG, HISTORY, MODEL, SUMMARY
from ffcli.services.runs.listing import list_runs
from ffcli.training.context import Context
from ffcli.util.atomic_files import json_value

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

# The command, which knows one more dataset, small enough to be fetched from a folder in no time. Before that
# it takes something away from itself: files that it may open, or root's right to ignore modes.
PROGRAM = """
import os, sys
files, modes_count = int(os.environ.pop("TEST_OPEN_FILES", 0)), os.environ.pop("TEST_MODES_COUNT", "")
if files:
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
if modes_count and os.geteuid() == 0:
    import ctypes
    PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
    assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0
    os.execv(sys.executable, [sys.executable, "-c", sys.orig_argv[2], *sys.argv[1:]])
sys.path.insert(0, sys.argv.pop(1))
if "download" in sys.argv:
    from ffcli.datasets import catalog as specs
    from fault_helpers import some_spec
    specs.KNOWN.register("some")(some_spec())
from ffcli.__main__ import main
sys.exit(main())
"""

# All ingredients and a schedule each: what a resumed run must come out of bit for bit.
COMMON = {
    "dropout": 0.2,
    "input_dropout": 0.1,
    "batch_norm": "true",
    "label_smoothing": 0.1,
    "clip_norm": 0.5,
    "augment": "flip,shift:1",
    "ema": 0.9,
    "weight_decay": 0.001,
    "hidden_size": "12,8",
    "batch_size": 32,
    "patience": 30,
    "epochs": 25,
}
INGREDIENTS: Sequence[Mapping[str, Any]] = (
    {**COMMON, "optimizer": "nadam", "schedule": "cosine", "warmup_epochs": 2, "activation": "tanh"},
    {
        **COMMON,
        "optimizer": "adamw",
        "schedule": "plateau",
        "decay_epochs": 2,
        "decay_factor": 0.5,
        "patience": 8,
    },
    {**COMMON, "optimizer": "nesterov", "schedule": "step", "decay_epochs": 7, "loss": "squared_error"},
    {**COMMON, "optimizer": "rmsprop", "schedule": "plateau", "decay_epochs": 1, "warmup_epochs": 3.5},
)


def some_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    arrays = {}
    for part, n in (("train", 3000), ("test", 400)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"y_{part}"] = (np.arange(n) % 4).astype(np.uint8)
    return arrays


def some_spec() -> Any:
    from ffcli.datasets import DatasetSpec

    arrays = some_arrays()
    return DatasetSpec(
        name="some",
        class_names=("a", "b", "c", "d"),
        shapes={name: array.shape for name, array in arrays.items()},
        digests={name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()},
    )


@dataclass(frozen=True)
class Done:
    """What a call of the command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Site:
    """A folder with a dataset and a run store, in which ``ffnn`` is called as a user calls it."""

    def __init__(self, folder: Path, server: StandIn) -> None:
        self.folder = folder
        self.server = server
        self.context = Context(folder / "data", folder / "runs")
        self.dataset = write_dataset(folder / "mine.npz")
        self.other = write_dataset(folder / "other.npz", seed=1)
        self.source = write_idx(folder / "source", some_arrays())
        self.temporary = folder / "tmp"
        for name in ("home", "tmp"):
            (folder / name).mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        self.environment = {
            **inherited,
            **server.environment(folder / "home"),
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "PYTHONFAULTHANDLER": "1",
            "TMPDIR": str(self.temporary),
            "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "0.3",
        }
        self._started: list[subprocess.Popen[str]] = []
        self._known: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=patience())

    def start(self, *args: object, **variables: str) -> subprocess.Popen[str]:
        """Start the command as the leader of a session of its own, as a terminal does."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), *map(str, args)],
            cwd=self.folder,
            env={
                **self.environment,
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
                **variables,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def __call__(self, *args: object, **variables: str) -> Done:
        """Run the command to its end; it shows no traceback."""
        return self.done(self.start(*args, **variables))

    def done(self, process: subprocess.Popen[str]) -> Done:
        done = self.ended(process)
        assert "Traceback" not in done.err, done.err
        return done

    def ended(self, process: subprocess.Popen[str]) -> Done:
        """Wait for a command's end, whatever it says; one that hangs shows where."""
        try:
            out, err = process.communicate(timeout=patience())
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # PYTHONFAULTHANDLER: with the stacks of all threads
            raise AssertionError(f"it hangs: {process.communicate(timeout=patience())[1]}") from None
        return Done(process.returncode, out, err)

    def lines(self, process: subprocess.Popen[str], n: int) -> list[str]:
        """Return the first lines that a command says on stderr; fewer, with an empty one last, if it ends."""
        assert process.stderr is not None
        aborter = threading.Timer(patience(), process.send_signal, [signal.SIGABRT])
        aborter.start()
        heard: list[str] = []
        while len(heard) < n and (not heard or heard[-1]):
            heard.append(process.stderr.readline())
        aborter.cancel()
        assert not any("Fatal Python error" in line for line in heard), process.communicate(
            timeout=patience()
        )
        return heard

    def config(self, **values: Any) -> TrainConfig:
        """Return a configuration on the dataset."""
        return validate({"dataset": str(self.dataset), **values})

    # What must hold whatever was killed

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return what is listed, by id."""
        return {run.run_id: json_value(run) for run in list_runs(self.context)}

    def check(self) -> None:
        """Every run is listed, those that had ended are as they were, and nothing piles up."""
        listed = self.runs()
        folders = {path.name for path in self.context.runs_dir.iterdir()} if listed else set()
        assert folders - set(listed) <= {"sweeps"}
        for run_id, before in self._known.items():
            assert digests(self.context.runs_dir / run_id) == before, run_id
        for run_id, run in listed.items():
            path = self.context.runs_dir / run_id
            assert run["status"] in STATUSES
            assert run["status"] != "running", "no process is left"
            ended = run["status"] in ("finished", "diverged", "pruned")
            left = {file.name for file in path.iterdir()} - {"wandb"}
            assert left <= {SUMMARY, CONFIG, HISTORY, MODEL, CHECKPOINT}, "halves of files"
            assert not ended or CHECKPOINT not in left
            if ended:
                self._known[run_id] = digests(path)

    def assert_tidy(self) -> None:
        """After a command that went through there are no halves of files anywhere, and nothing temporary."""
        halves = [path for path in self.folder.rglob(".*-????????.ffnn") if "home" not in path.parts]
        assert halves == []
        wait_until(lambda: list(self.temporary.iterdir()) == [], "what is temporary stays")


def digests(folder: Path) -> dict[str, str]:
    """Return the contents of a run's files in short, without what may be noted in its record later."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    record = json.loads(files[SUMMARY])
    files[SUMMARY] = json.dumps({**record, "wandb": None, "test_acc": None, "test_acc_tta": None}).encode()
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def assert_same_run(path: Path, reference: Path) -> None:
    """Two runs have the same weights and the same epochs, bit for bit."""
    assert (path / MODEL).read_bytes() == (reference / MODEL).read_bytes()
    assert without_times((path / HISTORY).read_text()) == without_times((reference / HISTORY).read_text())
    ours, theirs = (json.loads((each / SUMMARY).read_text()) for each in (path, reference))
    for key in ("status", "epochs_done", "best_epoch", "best_val_acc", "best", "config"):
        assert ours[key] == theirs[key], key


def members(session: int) -> list[int]:
    """Return the processes of a session that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state not in "ZX":
            found.append(int(path.parent.name))
    return found
