"""Connecting to a Dask cluster, or starting one here or in a batch system."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import logging
import os
import signal
import struct
import subprocess
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffcli.errors import FfnnError, RequestError
from ffcli.execution.dask_client import (
    address_in,
    check_certificates,
    connected_client,
    is_address,
    well_configured,
)
from ffcli.util.processes import can_start_threads, python_command, usable_cores
from ffcli.util.signals import interrupts_deferred
from ffcli.util.suggest import unknown

if TYPE_CHECKING:
    from distributed import Client

# The class of dask-jobqueue for each batch system.
BATCH_SYSTEMS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
KINDS = ("local", *BATCH_SYSTEMS)
_START = 60  # seconds that a worker of a local cluster has to start
_THREADS = 8  # of a worker and of what watches over it
_ANSWER = 120.0  # seconds that a batch system may take to accept a job
_LAST_ANSWER = 10.0  # seconds that it has left after an interruption, and to cancel the jobs
_GRACE = 3.0  # seconds that workers of a local cluster have to end before they are killed: they store nothing
# Where workers start: Dask starts them by Python's -m and -c, which import from the current folder.
_FOLDER = "/"
# Dask's five minutes, seen every five, would be up to ten until the trial of a silent machine begins again.
_WORKER_TTL = "60s"
# Workers without Dask's profiler, and with fewer looks at the delay of their event loop and at their memory:
# by default these wake each process up to 160 times per second, which costs a training some 10 %.
WORKER_ENVIRONMENT = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
}
# What Dask raises where nobody answers, or somebody else: it takes the first bytes for lengths.
_NO_SCHEDULER = (OSError, ValueError, TypeError, AssertionError, MemoryError, struct.error)


@dataclass(frozen=True)
class Connection:
    """A connected cluster.

    Attributes:
        client: Dask's client.
        close: closes the client, and ends what was started here; never raises.
        missing: what to say of a cluster that has no worker.
        workers: how many workers there will be in all; None where others may join at any time.
        starter: the process that starts the workers, where it was started here.
    """

    client: Client
    close: Callable[[], None]
    missing: str
    workers: int | None = None
    starter: subprocess.Popen[bytes] | None = None


def check(cluster: str, jobs: int | None) -> None:
    """Raise RequestError for no cluster, for jobs that do not go with it, and where the extra is missing.

    FfnnError where Dask's configuration is wrong or lacks what TLS needs.
    """
    if jobs is not None and cluster not in BATCH_SYSTEMS:
        raise RequestError(
            f"jobs are for a batch system ({', '.join(BATCH_SYSTEMS)}), got cluster {cluster}."
        )
    with well_configured():
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise _missing("distributed", error) from None
    if cluster in KINDS:
        return
    is_file = "://" not in cluster and Path(cluster).is_file()
    address = address_in(Path(cluster)) if is_file else cluster
    if not is_address(address):
        raise RequestError(
            unknown("cluster", cluster, KINDS),
            hint="Or give a scheduler's address (tcp://HOST:PORT, tls://HOST:PORT) or the path of its file.",
        )
    if address.startswith("tls://"):
        check_certificates()


def connect(cluster: str, workers: int, jobs: int | None) -> Connection:
    """Connect to a cluster, or start one.

    Args:
        cluster: the address of a scheduler, the path of its file, or one of `KINDS` to start one.
        workers: the number of workers of a local cluster, 0 for one on each core.
        jobs: the number of jobs to submit to a batch system.

    Raises:
        RequestError: as `check`.
        FfnnError: there is no connection.
    """
    check(cluster, jobs)
    _be_quiet()
    with well_configured():
        if cluster == "local":
            return _local(workers or usable_cores())
        if cluster in BATCH_SYSTEMS:
            return _batch(cluster, jobs or 1)
        return _running(cluster)


def _running(cluster: str) -> Connection:
    """Connect to a scheduler that runs, by its address or file."""
    where = {"address": cluster} if "://" in cluster else {"scheduler_file": cluster}
    with ExitStack() as started:
        try:
            client = connected_client(started, **where)
        except _NO_SCHEDULER as error:
            why = str(error) or type(error).__name__
            raise FfnnError(
                f"There is no connection to the scheduler {cluster}: {why}",
                hint="Start one with: dask scheduler. It prints its address.",
            ) from None
        start = f"dask worker {client.scheduler.address} --nworkers auto --nthreads 1"
        return Connection(client, started.pop_all().close, f"Start some with: {start}")


def _missing(package: str, error: ImportError) -> RequestError:
    return RequestError(
        f"A cluster needs the package {package}, which cannot be imported ({error}).",
        hint="Install it with: pip install 'ffnn[cluster]'",
    )


def _be_quiet() -> None:
    """Silence Dask's log: what the user has to know comes as notices and errors."""
    warnings.filterwarnings("ignore", "Creating scratch directories")  # takes long on a busy disk
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in ("distributed", "bokeh", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _local(workers: int) -> Connection:
    """Start a scheduler in this process and workers on this machine, and wait for them."""
    from distributed import LocalCluster

    if not can_start_threads(_THREADS * (workers + 1)):  # they would be there and train nothing
        raise OSError(errno.EAGAIN, f"{workers} workers and their threads cannot be started")
    with ExitStack() as started:
        with interrupts_deferred():
            scheduler = LocalCluster(
                n_workers=0,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False, "worker_ttl": _WORKER_TTL},
                silence_logs=logging.CRITICAL,
            )
            process = subprocess.Popen(  # noqa: S603 - this very Python, no shell
                python_command(
                    "distributed.cli.dask_worker",
                    *(scheduler.scheduler_address, "--host", "127.0.0.1", "--no-dashboard"),
                    *("--nworkers", str(workers), "--nthreads", "1", "--death-timeout", str(_START)),
                ),
                cwd=_FOLDER,
                env={**WORKER_ENVIRONMENT, **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C of the terminal is for the coordinator alone
            )
            started.callback(_end_local, scheduler, process)
        client = connected_client(started, address=scheduler.scheduler_address)
        while len(client.nthreads()) < workers:
            if (code := process.poll()) is not None:
                raise FfnnError(f"The workers of the local cluster did not start: exit code {code}.")
            time.sleep(0.1)
        return Connection(client, started.pop_all().close, "Dask starts another one here.", starter=process)


def _end_local(scheduler: Any, process: subprocess.Popen[bytes]) -> None:
    with interrupts_deferred():
        with suppress(Exception):
            scheduler.close()  # tells the workers to end
        process.terminate()  # they may still be starting
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _batch(kind: str, jobs: int) -> Connection:
    """Start a scheduler in this process and workers as jobs of a batch system, by Dask's configuration.

    Without a configuration a job is one worker on one core. Connections are protected by TLS where Dask's
    configuration names a certificate authority.
    """
    from distributed import Security

    try:
        import dask

        with interrupts_deferred():  # its import lets Ctrl-C exit; this puts back what was there
            import dask_jobqueue
    except ImportError as error:
        raise _missing("dask-jobqueue", error) from None
    configured: dict[str, Any] = dask.config.get(f"jobqueue.{kind}", {})
    cores = configured.get("cores") or 1
    memory = configured.get("memory") or f"{cores}GB"
    security = Security()
    # On a login node the dashboard's port is often taken, and everybody could look at it.
    options = {"dashboard": False, "dashboard_address": ":0", "worker_ttl": _WORKER_TTL}
    prologue = [f"cd {_FOLDER}", *(f"export {name}={value}" for name, value in WORKER_ENVIRONMENT.items())]
    prologue += configured.get("job-script-prologue") or configured.get("env-extra") or []
    with ExitStack() as started:
        try:
            with interrupts_deferred():
                scheduler = getattr(dask_jobqueue, BATCH_SYSTEMS[kind])(
                    cores=cores,
                    processes=cores,
                    memory=memory,
                    job_script_prologue=prologue,
                    security=security if security.tls_ca_file else None,
                    scheduler_options={**options, **(configured.get("scheduler-options") or {})},
                )
                started.callback(_end_batch, scheduler)
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise FfnnError(f"A cluster cannot be started in {kind}: {error}") from None
        try:
            for _ in range(jobs):
                _submit(scheduler)
            client = connected_client(
                started, address=scheduler.scheduler_address, security=scheduler.security
            )
        except (OSError, RuntimeError, ValueError, concurrent.futures.TimeoutError) as error:
            why = str(error).rpartition("stderr:")[2].strip() or f"no answer within {_ANSWER:g} s"
            raise FfnnError(
                f"The jobs could not be submitted to {kind}: {why}",
                hint="A job's settings are in ~/.config/dask/jobqueue.yaml.",
            ) from None
        missing = f"Waiting for the jobs at {kind}, {jobs} in all. One that fails says why in its output."
        return Connection(client, started.pop_all().close, missing, jobs * cores)


def _end_batch(scheduler: Any) -> None:
    from distributed import Status

    with interrupts_deferred(), suppress(Exception):
        try:
            scheduler.close(_LAST_ANSWER)  # cancels the jobs
        finally:
            scheduler.status = Status.closed  # or Dask waits for it once more when Python ends


def _submit(cluster: Any) -> None:
    """Submit a job. Raises what it raises where it is refused, TimeoutError where there is no answer.

    An interruption waits for the answer for a while, without which the job cannot be cancelled.
    """
    with interrupts_deferred():
        answer = asyncio.run_coroutine_threadsafe(_submission(cluster), cluster.loop.asyncio_loop)
    try:
        answer.result(_ANSWER)
    except KeyboardInterrupt:
        with interrupts_deferred(), suppress(Exception):
            answer.result(_LAST_ANSWER)
        raise


async def _submission(cluster: Any) -> None:
    """Submit a job, and raise what it raises, which ``scale`` only logs."""
    from distributed import Status

    try:
        cluster.worker_spec.update(cluster.new_worker_spec())
        await cluster._correct_state()
    except BaseException:
        for job in cluster.workers.values():
            if job.status == Status.created:
                job.status = Status.failed  # as the cluster's ``close`` expects
        raise
