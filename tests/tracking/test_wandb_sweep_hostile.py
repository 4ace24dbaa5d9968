"""Sweeps by W&B's agents whose processes are killed or stopped, or whose server is lost, at random moments.

Whatever happens, the command ends in time, no process is left, no result is lost, and the sweep resumes to
its exact number of runs.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from child_processes import wait_until
from test_wandb_sweep_trouble import hand_out, path_of, sweeper
from test_wandb_sweeps import stored
from tracking_helpers import Done, Ffnn
from wandb_standin import StandIn

__all__ = ["sweeper"]  # a fixture

COUNT = 4
RUN = {"epochs": 40, "hidden_layers": 1, "hidden_size": 4, "learning_rate": 0.01, "batch_size": 1}


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    found = []
    for folder in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            for child in map(int, (folder / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def role(pid: int) -> str:
    """Return what a process is: a worker, the process that speaks to W&B, or the SDK's own."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"local_worker" in words:
            return "worker"
        if b"wandb_process" in words:
            return "courier"
        if b"wandb-core" in words:
            return "sdk"
    return "other"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Round:
    """One command, and what is done to it."""

    def __init__(self, sweeper: Ffnn, server: StandIn, seed: int, *words: object) -> None:
        self.server, self.rng, self.sweeper = server, random.Random(seed), sweeper
        self.process = sweeper.start("sweep", *words, "--count", COUNT, "--workers", 2)
        self.known = {self.process.pid}

    def wait_for(self, true: Callable[[], bool]) -> None:
        """Wait until something is so, or the command has ended."""
        wait_until(lambda: self.process.poll() is not None or true())
        time.sleep(self.rng.random() * 0.5)
        self.known |= set(descendants(self.process.pid))

    def of(self, kind: str) -> list[int]:
        return [pid for pid in descendants(self.process.pid) if role(pid) == kind]

    def hit(self, kind: str, number: int) -> None:
        """Send a signal to one process of a kind, once there is one."""
        self.wait_for(lambda: bool(self.of(kind)))
        if found := self.of(kind):
            with suppress(ProcessLookupError):
                os.kill(self.rng.choice(found), number)

    def end(self) -> Done:
        """Wait for the command's end, and until all that it had started has ended."""
        done = self.sweeper.done(self.process)
        wait_until(lambda: not any(map(is_alive, self.known - {self.process.pid})))
        return done


def killed(kind: str) -> Callable[[Round], None]:
    return lambda this: this.hit(kind, signal.SIGKILL)


def stopped(kind: str) -> Callable[[Round], None]:
    """Stop a process for some seconds."""

    def stop(this: Round) -> None:
        this.wait_for(lambda: bool(this.of(kind)))
        if found := this.of(kind):
            pid = this.rng.choice(found)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(3 + 4 * this.rng.random())
                os.kill(pid, signal.SIGCONT)

    return stop


def coordinator_killed(this: Round) -> None:
    this.wait_for(lambda: bool(this.server.runs))
    this.process.kill()


def coordinator_stopped(this: Round) -> None:
    this.wait_for(lambda: bool(this.server.runs))
    with suppress(ProcessLookupError):
        this.process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        this.process.send_signal(signal.SIGCONT)


def lost(phase: Callable[[StandIn], bool], *, back: bool) -> Callable[[Round], None]:
    """Lose the server in a phase, for some seconds or for good."""

    def lose(this: Round) -> None:
        this.wait_for(lambda: phase(this.server))
        this.server.go_away()
        if back:
            time.sleep(1 + 3 * this.rng.random())
            this.server.come_back()

    return lose


def some_run_ended(server: StandIn) -> bool:
    return any(run.state == "finished" for run in list(server.runs.values()))


ROUNDS: dict[str, Callable[[Round], None]] = {
    "a worker is killed": killed("worker"),
    "a process that speaks to W&B is killed": killed("courier"),
    "a process of the SDK is killed": killed("sdk"),
    "the coordinator is killed": coordinator_killed,
    "a worker is stopped": stopped("worker"),
    "a process that speaks to W&B is stopped": stopped("courier"),
    "a process of the SDK is stopped": stopped("sdk"),
    "the coordinator is stopped": coordinator_stopped,
    "the server is lost at the start": lost(lambda server: bool(server.requests), back=True),
    "the server is lost within a run": lost(lambda server: bool(server.runs), back=True),
    "the server is lost between runs": lost(some_run_ended, back=True),
    "the server is lost for good": lost(some_run_ended, back=False),
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("trouble", ROUNDS)
@pytest.mark.parametrize("seed", [1])
def test_no_result_is_lost_and_the_sweep_resumes(
    sweeper: Ffnn, server: StandIn, trouble: str, seed: int
) -> None:
    hand_out(server, RUN)
    this = Round(sweeper, server, seed, "spec.yaml", "--backend", "wandb")
    ROUNDS[trouble](this)
    done = this.end()
    assert done.code in (0, 1, -signal.SIGKILL), done.err
    if server.is_away:
        server.come_back()
    before = {record["run_id"]: record for record in stored(sweeper.folder / "runs")}
    finished = {run_id for run_id, record in before.items() if record["status"] == "finished"}
    if not server.sweeps:  # it never began
        assert done.code == 1
        return
    again = sweeper("sweep", path_of(server), "--count", COUNT, "--workers", 2, "--json")
    assert again.code == 0, again.err
    records = {record["run_id"]: record for record in stored(sweeper.folder / "runs")}
    assert finished <= {run_id for run_id, record in records.items() if record["status"] == "finished"}
    synced = sweeper("sync", path_of(server))
    for run_id in finished:
        run = server.runs[records[run_id]["wandb"]["id"]]
        assert (run.state, len(run.history)) == ("finished", RUN["epochs"]), (run_id, synced.err)
