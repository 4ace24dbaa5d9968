"""Which worker pool a request means."""

from __future__ import annotations

from dataclasses import dataclass

from ffcli.execution.local import LocalPool
from ffcli.execution.pool import WorkerPool
from ffcli.training.context import Context


@dataclass(frozen=True)
class PoolOptions:
    """Where tasks run: ``workers`` processes of this machine, or at most so many workers of a cluster."""

    workers: int = 1
    cluster: str | None = None
    jobs: int | None = None


def open_pool(context: Context, options: PoolOptions) -> WorkerPool:
    """Return the pool, to be used as a context."""
    return LocalPool(context, options.workers)
