"""A W&B that takes nothing, or not all, costs no command its result: each command against each trouble."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from child_processes import marked
from small_runs import write_dataset
from stored_runs import record
from test_wandb_process_trouble import ENDING, follow
from tracking_helpers import wait_until
from wandb_standin import StandIn

from ffcli.cli.app import main
from ffcli.tracking import wandb_tracker
from ffcli.tracking.base import NO_ANSWER, Additions
from ffcli.tracking.wandb_tracker import WandbTracker
from ffcli.training.attaching import attach
from ffcli.training.context import Context

SPEC = """
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: "%s"}
  epochs: {value: 2}
  num_layers: {value: 1}
  hidden_size: {value: 4}
  loss: {values: [cross_entropy, squared_error]}
"""
# Each command, and what it says sends what did not arrive. W&B has the runs A and B, and not C.
COMMANDS = {
    "evaluate": ("evaluate A B", "ffnn evaluate B"),
    "confusion": ("confusion A -o figure.png", "again"),
    "samples": ("visualize -d DATA -o figure.png --wandb MODE", "again"),
    "misclassified": ("visualize --misclassified --run A -o figure.png", "again"),
    "predict": ("predict 1 --run A -o figure.png", "again"),
    "untrained": ("predict 1 -d DATA --hidden-size 4 -o figure.png --wandb MODE", "again"),
    "report": ("report SWEEP -o page.html --wandb MODE", "again"),
    "compare-loss": ("compare-loss SWEEP -o figure.png --wandb MODE", "ffnn compare-loss SWEEP"),
    "compare": ("runs compare A B -o figure.png --wandb MODE", "again"),
    "rerun": ("rerun --sweep SWEEP --top 1 --seeds 1 --workers 1 --wandb MODE", "ffnn sync"),
    "sync": ("sync C", "C"),
}


def silent(server: StandIn) -> None:
    server.fail = lambda _: server.sleep(600)


def spoil(how: str, operation: str | None = None) -> Callable[[StandIn], None]:
    def begin(server: StandIn) -> None:
        server.spoil = lambda request: how if operation in (None, request.operation) else None

    return begin


def healthy(_: StandIn) -> None:
    """Leave the server as it is: the disk is full."""


TROUBLES: dict[str, Callable[[StandIn], None]] = {
    "silent": silent,
    "silent within an answer": spoil("silent"),
    "reset": spoil("reset"),
    "silent at the stream": spoil("silent", "file_stream"),
    "full disk": healthy,
    "full disk, offline": healthy,
}


def pairs() -> Iterator[Any]:
    """Return each command with each trouble; of each command one is quick, of all kinds of trouble."""
    for number, command in enumerate(COMMANDS):
        for index, trouble in enumerate(TROUBLES):
            if (command, trouble) != ("sync", "full disk, offline"):  # it is always online
                quick = index == number % len(TROUBLES)
                marks = [] if quick else [pytest.mark.slow]
                yield pytest.param(command, trouble, marks=marks, id=f"{command}-{trouble}")


@dataclass(frozen=True)
class Store:
    """A folder with the two finished runs of a comparison of losses."""

    folder: Path
    names: dict[str, str]

    def words(self, text: str, mode: str = "online") -> list[str]:
        return [{**self.names, "MODE": mode}.get(word, word) for word in text.split()]

    def records(self) -> dict[str, Any]:
        paths = self.folder.glob("runs/*/summary.json")
        return {path.parent.name: json.loads(path.read_text()) for path in paths}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("made")
    dataset = write_dataset(folder / "tiny.npz")
    (folder / "spec.yaml").write_text(SPEC % dataset)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.stdin", io.StringIO())
        assert main(["compare-loss", "spec.yaml", "--workers", "1", "-q"]) == 0
    (sweep,) = (path.name for path in (folder / "runs" / "sweeps").iterdir())
    runs = sorted(path.parent.name for path in folder.glob("runs/*/model.safetensors"))
    for run in runs:
        there = {"mode": "online", "id": run, "project": "p", "entity": "tester", "synced": "finished 2"}
        note(folder, run, **there)
    names = {"A": runs[0], "B": runs[1], "C": runs[0], "SWEEP": sweep, "DATA": str(dataset)}
    return Store(folder, names)


def note(folder: Path, run: str, **about: object) -> None:
    """Write into a run's record what W&B has of it."""
    path = folder / "runs" / run / "summary.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "wandb": {**record["wandb"], **about}}))


@pytest.fixture
def store(made: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of the made one, as the current folder, with a folder for temporary files beside it."""
    folder = tmp_path / "store"
    shutil.copytree(made.folder, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (tmp_path / "disk" / "tmp").mkdir(parents=True)
    monkeypatch.delenv("WANDB_MODE")
    for limit in ("INIT", "FINISH"):
        monkeypatch.setenv(f"WANDB_{limit}_TIMEOUT", "1")
    return Store(folder, made.names)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Makes ``disk`` one without room for a single byte in a file."""
    disk = tmp_path / "disk"
    mounted = []

    def fill() -> None:
        mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)]
        if (
            shutil.which("mount") is None
            or subprocess.run(mount, capture_output=True, check=False).returncode
        ):
            pytest.skip("mounting is not permitted here")
        mounted.append(disk)
        (disk / "tmp").mkdir()
        (disk / "filled").write_bytes(bytes(4096))

    yield fill
    for each in mounted:
        subprocess.run(["umount", "--lazy", str(each)], check=True)  # W&B may still be ending


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize(("command", "trouble"), list(pairs()))
def test_it_costs_no_result(
    store: Store,
    command: str,
    trouble: str,
    full: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mode = "offline" if "offline" in trouble else "online"
    if command == "sync":
        note(store.folder, store.names["C"], synced=None)
    before = store.records()
    others = set(marked())
    with StandIn() as server:
        for name, value in server.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("WANDB_MODE", mode)
        if "full" in trouble:
            full()
            monkeypatch.setenv("WANDB_DIR", str(tmp_path / "disk"))
        else:
            monkeypatch.delenv("WANDB_DIR")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "disk" / "tmp"))
        monkeypatch.setenv("TMPDIR", str(tmp_path / "disk" / "tmp"))
        TROUBLES[trouble](server)
        words, says = COMMANDS[command]
        code = main([*store.words(words, mode), "--json"])
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert code == (1 if command == "sync" else 0), err
    assert "W&B" in err
    assert " ".join(store.words(says)) in err
    assert all(Path(word).stat().st_size > 0 for word in words.split() if word in ("figure.png", "page.html"))
    after = store.records()
    assert {run: known["status"] for run, known in after.items()} == dict.fromkeys(after, "finished")
    assert set(after) == {*before, *([document[0]["run_id"]] if command == "rerun" else [])}
    for run, known in before.items():
        assert after[run]["wandb"].get("synced") == known["wandb"].get("synced")
    if command == "sync":
        assert document["failed"] == [store.names["C"]]
    wait_until(lambda: set(marked()) <= others)
    assert list((tmp_path / "disk" / "tmp").iterdir()) == []


def test_a_server_that_does_not_answer_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches, notices = [], list[str]()

    def ending(*_: str) -> list[str]:
        launches.append(1)
        return [sys.executable, "-c", ENDING, NO_ANSWER]

    monkeypatch.setattr(wandb_tracker, "python_command", ending)
    monkeypatch.setenv("WANDB_MODE", "online")
    ids = ["20260101-000000-000-aaaa", "20260101-000000-000-bbbb"]
    there = {"mode": "online", "synced": "finished 2"}
    found = [(record(run_id), Additions(values={"test_acc": 0.5})) for run_id in ids]
    for run, _ in found:
        run.wandb = type(run.wandb)(**there)
    attach(Context(tmp_path, tmp_path, notices.append), found, command="ffnn evaluate")
    assert launches == [1]
    assert [f"ffnn evaluate {run_id}" in notice for run_id, notice in zip(ids, notices)] == [True, True]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
@pytest.mark.parametrize(
    ("problem", "expected"), [(NO_ANSWER, [None]), ("a picture is damaged", [0.5, None])]
)
def test_what_sends_the_rest_is_waited_for_where_the_server_answers(
    problem: str, expected: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lingers = ENDING + "import time; time.sleep(600)"
    monkeypatch.setattr(wandb_tracker, "python_command", lambda *_: [sys.executable, "-c", lingers, problem])
    monkeypatch.setitem(wandb_tracker.LIMITS, "finish_timeout", 0.5)
    tracker = WandbTracker("online")
    waits: list[float | None] = []
    assert follow(tracker) == problem
    process = tracker._process
    assert process is not None
    wait = process.wait
    monkeypatch.setattr(process, "wait", lambda timeout=None: waits.append(timeout) or wait(timeout))
    tracker.close()
    assert (process.returncode, waits) == (-signal.SIGKILL, expected)
    assert not Path(tracker._scratch).exists()


def test_offline_it_is_no_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    monkeypatch.setattr(wandb_tracker, "python_command", lambda *_: silent)
    monkeypatch.setattr(WandbTracker, "_patience", lambda _: 0.1)
    problems = {}
    for mode in ("online", "offline"):
        tracker = WandbTracker(mode)
        problems[mode] = follow(tracker)
        tracker.close()
    assert NO_ANSWER in (problems["online"] or "")
    assert problems["offline"] is not None
    assert NO_ANSWER not in problems["offline"]
