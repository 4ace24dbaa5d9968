"""The process in which W&B's SDK does its work, and how long its end may take."""

from __future__ import annotations

import atexit
import threading
import time
from typing import Any

_PATIENCE = 5.0  # seconds: where the network is there it takes a tenth of one


def end_in_time(setup: Any) -> None:
    """See to it that the SDK's service ends within seconds when this process does.

    At the exit the SDK waits for it without a limit, and now and then it goes on asking a server that does
    not answer (seen with wandb 0.31). ``setup`` is what ``wandb.setup()`` returns; nothing is done where it
    has no such process.
    """
    service = getattr(getattr(setup, "_connection", None), "_proc", None)
    process = getattr(service, "_process", None)
    if process is None:
        return
    is_over = threading.Event()

    def watch() -> None:
        is_over.wait()
        time.sleep(_PATIENCE)
        process.kill()

    threading.Thread(target=watch, name="wandb-service", daemon=True).start()
    atexit.register(is_over.set)  # after the SDK's own hook, and so called before it
