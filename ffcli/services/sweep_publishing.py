"""The Optuna study beside a sweep's tables, for optuna-dashboard: kept up to date while the sweep runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ffcli.errors import FfnnError
from ffcli.sweeping.store import TrialStore
from ffcli.sweeping.trials import Sweep
from ffcli.training.context import Context

_PAUSE = 60.0  # seconds between two updates, and at least so many times what one takes:
_SHARE = 20
_IN_A_HURRY = 3.0  # seconds for the end after Ctrl-C, and again for what it is in the midst of


@contextmanager
def published(context: Context, url: str, sweep: Sweep) -> Iterator[None]:
    """Publish the trials that end within this context, now and then and at its end.

    To write a trial takes Optuna about as long as training does that lasts 0.05 s; the workers do not wait
    for it. What fails here fails no sweep: there is a notice, and the next time makes it good.
    """
    over, hurry = threading.Event(), threading.Event()

    def work() -> None:
        try:
            from ffcli.sweeping.publishing import publish  # Optuna loads while the workers start

            store = TrialStore(url)
        except (FfnnError, OSError):  # too few files may be open even to load it
            return  # the workers fail of it, too
        try:
            pause = 0.0
            while not over.wait(pause):
                started = time.monotonic()
                publish(store, sweep)
                pause = max(_PAUSE, _SHARE * (time.monotonic() - started))
            publish(store, sweep, lambda: not hurry.is_set())
        except Exception as error:
            reason = getattr(error, "orig", None) or error  # without the SQL around it
            context.notify(f"the study for optuna-dashboard is not up to date: {reason}")
        finally:
            store.close()

    thread = threading.Thread(target=work, name="publisher", daemon=True)
    thread.start()
    patience = None
    try:
        yield
    except KeyboardInterrupt:
        patience = _IN_A_HURRY
        raise
    finally:
        over.set()
        thread.join(patience)
        hurry.set()
        # Not for ever: an interruption within an import leaves Python's import lock held, which it may need.
        thread.join(patience)
