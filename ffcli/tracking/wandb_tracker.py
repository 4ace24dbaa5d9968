"""Tracking by W&B through a process of its own, so that every wait is bounded."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Literal

from ffcli.tracking.base import NO_ANSWER, TEMPORARY, Additions, Facts, Model, Outcome, Row, TrackedRun
from ffcli.util.processes import python_command

# Seconds that W&B gets to begin a run and to end it, and what its process needs beside; less than a minute
# in all. WANDB_INIT_TIMEOUT and WANDB_FINISH_TIMEOUT change the first two, for W&B and so for the whole.
LIMITS = {"init_timeout": 15.0, "finish_timeout": 20.0}
_BESIDE = 20.0
_LONGEST = 55.0
_AGAIN = 15.0  # for a further run, once W&B has not answered


class WandbTracker:
    """Follows one run after another by W&B, online or into folders that ``wandb sync`` takes.

    No method raises, and only `finish` waits, for a bounded time. ``facts`` is what is known of the present
    run, and ``stopped`` says whether somebody has asked W&B to stop it.

    Offline runs lie in the ``wandb`` folder below the one that a run is started with; online and without one,
    nothing is kept. Once a server does not answer or refuses the key, no further run tries it, but for those
    that a sweep of the server's has handed out since, which wait less.
    """

    def __init__(self, mode: Literal["online", "offline"]) -> None:
        self.facts = Facts()
        self.stopped = False
        self._mode = mode
        self._process: subprocess.Popen[str] | None = None
        self._commands: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._scratch = ""
        self._started = False
        self._problem: str | None = None
        self._broken: str | None = None

    def start(self, run: TrackedRun, rows: Sequence[Row] = (), folder: str | None = None) -> None:
        """Begin a run, or resume it after ``rows``; whether that works shows later.

        Epochs that W&B has already are not sent again. Files that are to stay lie below ``folder``.
        """
        self.facts, self.stopped, self._started = Facts(), False, False
        self._problem = None if run.sweep else self._broken
        if self._problem is not None:
            return
        if self._process is None:
            self._launch()
        self._send(
            "start",
            mode=self._mode,
            run=asdict(run),
            rows=[dict(row) for row in rows],
            folder=folder,
            limits=LIMITS,
        )

    def epoch(self, row: Row) -> None:
        """Hand an epoch over."""
        self._send("epoch", row=dict(row))
        self._take_in()

    def add(self, additions: Additions) -> None:
        """Hand over what is known beside the epochs."""
        images, pages = (
            {title: str(path.resolve()) for title, path in files.items()}
            for files in (additions.images, additions.pages)
        )
        confusion = None
        if additions.confusion is not None:
            counts, names = additions.confusion
            confusion = [[[int(count) for count in row] for row in counts], list(names)]
        charts = [{"kind": type(chart).__name__, **asdict(chart)} for chart in additions.charts]
        self._send(
            "add",
            values=dict(additions.values),
            images=images,
            pages=pages,
            confusion=confusion,
            charts=charts,
        )

    def finish(self, exit_code: int, summary: Mapping[str, Any], model: Model | None = None) -> Outcome:
        """End the run; wait for W&B until the time is up, then end its process too."""
        about = {**asdict(model), "path": str(model.path.resolve())} if model is not None else None
        self._send("finish", exit_code=exit_code, summary=dict(summary), model=about)
        deadline = time.monotonic() + self._patience()
        try:
            while self._problem is None:
                event = self._next(deadline)
                if event is None:
                    # Another run would have to wait as long.
                    self._problem = self._broken = f"{NO_ANSWER} in time"
                    self._kill()
                elif event["event"] == "finished":
                    self._broken = None
                    return Outcome()
                else:
                    self._hear(event)
        except KeyboardInterrupt:
            self._kill()
            return Outcome("it was not waited for", interrupted=True)
        return Outcome(self._problem)

    def close(self) -> None:
        """Let the process go, and end it if it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        self._commands.put(None)
        try:
            process.wait(LIMITS["finish_timeout"])
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            _kill_all(process)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _patience(self) -> float:
        given = {name: os.environ.get(f"WANDB_{name.upper()}", "") for name in LIMITS}
        limits = dict(LIMITS)
        for name, text in given.items():
            with suppress(ValueError):
                limits[name] = float(text)
        return min(sum(limits.values()) + _BESIDE, _LONGEST if self._broken is None else _AGAIN)

    def _launch(self) -> None:
        """Start the process and the threads that write to it and read from it."""
        try:
            self._scratch = tempfile.mkdtemp(prefix="ffnn-wandb-")
            # What W&B keeps for the time being, too: it stays where its process has to be killed.
            temporary = Path(self._scratch, TEMPORARY)
            temporary.mkdir()
            environment = {**os.environ, "WANDB_SILENT": "true", "PYTHONUTF8": "1"}
            environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
            self._process = subprocess.Popen(  # noqa: S603 - this very Python, no shell
                python_command("ffcli.tracking.wandb_process", self._scratch),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                env=environment,
                start_new_session=True,
            )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._commands, self._events = queue.SimpleQueue(), queue.SimpleQueue()
            write = (self._commands, self._process.stdin)
            read = (self._events, self._process.stdout)
            threading.Thread(target=_write, args=write, name="to W&B", daemon=True).start()
            threading.Thread(target=_read, args=read, name="from W&B", daemon=True).start()
        except (OSError, RuntimeError) as error:  # a full disk, or no more processes or threads
            self._problem = self._broken = f"its process does not start: {error}"
            if self._process is not None:
                self._commands.put(None)
                for pipe in filter(None, (self._process.stdin, self._process.stdout)):
                    pipe.close()
            self._kill()

    def _send(self, operation: str, **about: Any) -> None:
        if self._problem is None and self._process is not None:
            self._commands.put(json.dumps({"op": operation, **about}))

    def _take_in(self) -> None:
        """Hear what has come so far."""
        with suppress(queue.Empty):
            while self._problem is None:
                event = self._events.get_nowait()
                self._hear({"event": "gone"} if event is None else event)

    def _next(self, deadline: float) -> dict[str, Any] | None:
        """Return the next event, None when the time is up."""
        try:
            event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        return {"event": "gone"} if event is None else event

    def _hear(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "started":
            self._started = True
            self.facts = Facts(**{name: value for name, value in event.items() if name != "event"})
        elif event["event"] == "problem":
            self._problem = event["message"]
            if not self._started or self._problem == NO_ANSWER:
                self._broken = self._problem
        elif event["event"] == "stop":
            self.stopped = True
        elif event["event"] == "gone":
            self._problem = "its process has died"
            self._kill()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _kill_all(process)
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)


def _kill_all(process: subprocess.Popen[str]) -> None:
    """Kill a process with what it has started, which has a process group of its own."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _write(commands: queue.SimpleQueue[str | None], pipe: IO[str]) -> None:
    """Write commands as they come: a pipe that is full stops this thread, not the training."""
    with suppress(OSError, ValueError), pipe:
        while (command := commands.get()) is not None:
            pipe.write(command + "\n")
            pipe.flush()


def _read(events: queue.SimpleQueue[dict[str, Any] | None], pipe: IO[str]) -> None:
    """Read events until the process has gone, which None stands for."""
    with suppress(OSError, ValueError), pipe:
        for line in pipe:
            events.put(json.loads(line))
    events.put(None)
