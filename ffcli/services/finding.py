"""Which sweep a word on the command line stands for. Nothing heavy is imported for it."""

from __future__ import annotations

from collections.abc import Iterable

from ffcli.errors import RequestError
from ffcli.runs.folders import SWEEP_FILE, SWEEPS, sweep_ids
from ffcli.runs.naming import find_id, near
from ffcli.runs.record import RunRecord
from ffcli.services.context import Context
from ffcli.services.shipped import did_you_mean, named_files
from ffcli.sweeping.wandb_address import is_address
from ffcli.untrusted import is_name, shown


def find_sweep(context: Context, word: str) -> str:
    """Return the id of the sweep in the store that is called so, or alone starts or ends so.

    Raises RequestError where there is none or more than one.
    """
    ids = sweep_ids(context.runs_dir)
    found = find_id("sweep", word, ids)
    if found is not None:
        return found
    if is_name(word) and (context.runs_dir / SWEEPS / word / SWEEP_FILE).is_file():
        raise RequestError(
            f"Sweep {word} is not stored here but in a shared database.", hint="Give its --storage URL."
        )
    raise RequestError(
        f"There is no sweep file and no sweep '{shown(word)}' in {context.runs_dir / SWEEPS}."
        f"{did_you_mean(word)}{near(word, ids)}",
        hint=f"Sweep files by name: {', '.join(named_files())}.",
    )


def sweep_called(context: Context, word: str, storage: str | None) -> str:
    """Return the id that a word stands for: at ``storage`` and at W&B itself, else as `find_sweep`."""
    return word if storage is not None or is_address(word) else find_sweep(context, word)


def sweep_of_runs(context: Context, word: str, records: Iterable[RunRecord]) -> str:
    """Return the id of the sweep that is called so, or alone starts or ends so, to find its runs.

    The sweep lies in the store or ``records`` are of it: those of a shared database and of W&B leave only
    runs here. Raises RequestError where there is none or more than one.
    """
    ids = sorted({*sweep_ids(context.runs_dir), *(record.sweep_id for record in records if record.sweep_id)})
    found = find_id("sweep", word, ids)
    if found is not None:
        return found
    none = "" if ids else f": {context.runs_dir} holds no sweep and no run of one"
    raise RequestError(f"--sweep: there is no sweep '{shown(word)}'{none}.{near(word, ids)}")
