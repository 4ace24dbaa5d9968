"""Real Dask clusters on loopback: a scheduler, workers, and a proxy that can stop forwarding."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from child_processes import die_with_parent, wait_until


class Cluster:
    """A scheduler and its workers, all of which end with the context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._log = (folder / "dask.log").open("ab")
        arguments = ["--scheduler-file", str(self.file), "--host", "127.0.0.1", "--port", "0"]
        self.scheduler = self._start("scheduler", *arguments, "--no-dashboard", "--no-show")
        wait_until(self._is_written)
        self.address = str(json.loads(self.file.read_text())["address"])

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            _end_group(process, signal.SIGKILL)
        for process in self._processes:
            process.wait()
        self._log.close()

    def _is_written(self) -> bool:
        try:
            return bool(json.loads(self.file.read_text()))
        except (OSError, ValueError):
            return False

    def _start(self, what: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing of this process holds a lock then
        )
        self._processes.append(process)
        return process

    def worker(
        self,
        n: int = 1,
        *,
        nanny: bool = True,
        threads: int = 1,
        address: str | None = None,
        local_directory: str = "scratch",
        **env: str,
    ) -> subprocess.Popen[bytes]:
        """Start ``n`` workers, which connect in their own time; the process of their nannies is returned."""
        arguments = ["--nworkers", str(n), "--nthreads", str(threads), "--no-dashboard"]
        arguments += ["--host", "127.0.0.1", "--local-directory", str(self.folder / local_directory)]
        arguments += ["--nanny" if nanny else "--no-nanny"]
        return self._start("worker", address or self.address, *arguments, **env)

    def end(self, process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        """End a process with all that it has started."""
        _end_group(process, number)
        process.wait()


def _end_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


class Proxy:
    """Forwards connections to an address; `hold` stops that for a while, without closing any."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._flows = threading.Event()
        self._flows.set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: Any) -> None:
        self._closed = True
        self._flows.set()
        self._listener.close()

    def hold(self, seconds: float) -> None:
        """Forward nothing for so long."""
        self._flows.clear()
        time.sleep(seconds)
        self._flows.set()

    def _accept(self) -> None:
        while not self._closed:
            try:
                theirs, _ = self._listener.accept()
                ours = socket.create_connection(self._target)
            except OSError:
                return
            threading.Thread(target=self._forward, args=(theirs, ours), daemon=True).start()

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, one, other:
            selector.register(one, selectors.EVENT_READ, other)
            selector.register(other, selectors.EVENT_READ, one)
            while not self._closed:
                for key, _ in selector.select(0.2):
                    self._flows.wait()
                    try:
                        data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                        if not data:
                            return
                        key.data.sendall(data)
                    except OSError:
                        return
