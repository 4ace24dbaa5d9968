"""The private parts of W&B's SDK that sweeps by its server use: here, and nowhere else.

They may change with any minor version, so that the dependency ends below the next one. Public functions do
not suffice: those for agents answer "no run to hand out" where the server is gone, and at the exit the SDK
waits for its own process without a limit.
"""

from __future__ import annotations

import atexit
import threading
import time
from typing import Any

from ffcli.errors import FfnnError

KNOWN = "wandb>=0.31,<0.32"  # as in pyproject.toml
_PATIENCE = 5.0  # seconds: where the network is there it takes a tenth of one


def failed_request() -> type[Exception]:
    """Return the type of what a failed request raises; its ``response`` is None where there was no answer.

    Raises FfnnError where the installed SDK has none.
    """
    try:
        from wandb.sdk.lib.service.service_connection import WandbApiFailedError
    except ImportError:
        raise _unknown_version() from None
    return WandbApiFailedError


def service_of(api: Any) -> Any:
    """Return the connection of a ``wandb.Api``, with ``execute_graphql(question, variables, timeout)``.

    So keys, tokens, proxies and certificates are the SDK's business. Raises FfnnError where the installed SDK
    has none.
    """
    service = getattr(api, "_service_api", None)
    if not callable(getattr(service, "execute_graphql", None)):
        raise _unknown_version()
    return service


def set_up(settings: Any) -> Any:
    """Do what ``wandb.setup`` does and return the same, without starting the SDK's process.

    ``wandb.setup`` starts it while it holds a lock, and waits for that lock for ever where the process dies
    at once (seen with wandb 0.31). Raises FfnnError where the installed SDK has no such function.
    """
    try:
        from wandb.sdk.wandb_setup import _setup

        return _setup(settings, start_service=False)
    except (ImportError, TypeError):
        raise _unknown_version() from None


def _unknown_version() -> FfnnError:
    import wandb

    return FfnnError(
        f"Sweeps by W&B's server need {KNOWN}, got wandb {wandb.__version__}.",
        hint=f"pip install '{KNOWN}'; or run the sweep without the server (ffnn sweep FILE --backend local), "
        "or by W&B's own agent (wandb sweep FILE, then wandb agent ID).",
    )


def end_in_time(setup: Any) -> None:
    """See to it that the SDK's service ends within seconds when this process does.

    At the exit the SDK waits for it without a limit, and now and then it continues to ask a server that does
    not answer (seen with wandb 0.31); where its process has died it shows a traceback. ``setup`` is what
    ``wandb.setup()`` returns; nothing is done where it has no such process.
    """
    connection = getattr(setup, "_connection", None)
    process = getattr(getattr(connection, "_proc", None), "_process", None)
    if process is None:
        return
    is_over = threading.Event()

    def watch() -> None:
        is_over.wait()
        time.sleep(_PATIENCE)
        process.kill()

    def let_go() -> None:
        if process.poll() is not None and (unregister := getattr(connection, "_cleanup", None)):
            unregister()
        is_over.set()

    threading.Thread(target=watch, name="wandb-service", daemon=True).start()
    atexit.register(let_go)  # after the SDK's own hook, and so called before it
