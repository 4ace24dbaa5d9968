"""A PostgreSQL server for the tests of shared sweeps."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


class Postgres:
    """A PostgreSQL server of our own on a free port of 127.0.0.1, in a temporary folder."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries = binaries
        self.folder = folder
        self.data = folder / "data"
        # The server refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(folder, self.user)
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        self._numbers = itertools.count()
        self._run("initdb", "-D", self.data, "-U", "ffnn", "-A", "trust", "-E", "UTF8", "--no-sync")

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self.binaries / program), *map(str, arguments)]
        log = self.folder / "log"
        with log.open("a") as out:
            done = subprocess.run(
                command, user=self.user, cwd=self.folder, stdout=out, stderr=out, check=False
            )
        assert done.returncode == 0, log.read_text()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", self.folder / "server", "-o", options)

    def stop(self) -> None:
        """Stop without a word to anyone, as a machine does that loses power."""
        self._run("pg_ctl", "stop", "-w", "-D", self.data, "-m", "immediate")

    def new_database(self) -> str:
        """Return the address of a new, empty database."""
        name = f"test{next(self._numbers)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "ffnn", name)
        return f"postgresql://ffnn@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run a server while the tests need it; skip where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    if not found[-1].is_file():
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="ffnn-postgres-"))
    server = Postgres(found[-1].resolve().parent, folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)
