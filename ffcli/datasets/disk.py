"""The space on the disk of the data folder."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_space(folder: Path, needed: int, *, more_follow: bool = False, reserve: int = 0) -> int:
    """Return how many bytes are free on the disk of a folder, beside a reserve.

    Args:
        folder: on the disk.
        needed: bytes that are to be written.
        more_follow: whether more are to be written later, how many is not known.
        reserve: bytes that are left free.

    Raises:
        OSError: the disk is full, as when it is written to.
    """
    free = shutil.disk_usage(folder).free
    if needed + reserve > free:
        least = "at least " if more_follow else ""
        left = f", and {reserve:,} bytes are always left free" if reserve else ""
        raise OSError(
            errno.ENOSPC,
            f"the disk is full: {least}{needed:,} more bytes are needed, {free:,} are free{left}",
        )
    return free - reserve


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk, or the user's part of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL
