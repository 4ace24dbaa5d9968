"""What every worker does alike: the dataset by its digest, and what an error says of task and machine."""

from __future__ import annotations

import errno

from ffcli.datasets import Dataset
from ffcli.errors import FfnnError
from ffcli.execution.pool import Task
from ffcli.training.context import Context

# Faults of the machine, of rights and of limits, which the next task would meet as well.
_FATAL = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EAGAIN),
    *(errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.EFBIG),
}


class UnusableDatasetError(FfnnError):
    """The dataset of a task cannot be had, or is another than when the task was made."""


def dataset_of(context: Context, task: Task) -> Dataset:
    """Return the dataset of a task. Raises UnusableDatasetError where it is missing or has changed.

    It is opened anew for each task, so that one that was replaced in between is noticed.
    """
    try:
        dataset = context.dataset(task.config.dataset)
    except FfnnError as error:
        raise UnusableDatasetError(str(error)) from error
    if task.dataset_digest not in (None, dataset.digest):
        raise UnusableDatasetError(
            f"The dataset {task.config.dataset} has changed: "
            f"expected digest {task.dataset_digest}, got {dataset.digest}."
        )
    return dataset


def is_fatal(error: Exception) -> bool:
    """Whether an error is a fault of the machine or the dataset rather than of the configuration."""
    if isinstance(error, UnusableDatasetError):
        return True
    return isinstance(error, OSError) and error.errno in _FATAL


def explain(error: BaseException) -> str:
    """Return an error as one line for the user."""
    if isinstance(error, (FfnnError, OSError)):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return f"{type(error).__name__}: {error}"
