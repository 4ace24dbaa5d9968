"""Finding a sweep by a word on the command line. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.ids import alone, find_id, mistaken, near, some
from ffcli.runs.layout import SWEEP_FILE, SWEEPS, all_sweep_ids, run_ids, sweep_ids
from ffcli.runs.record import RunRecord
from ffcli.services.sweeps.shipped import did_you_mean, named_files, sweep_file
from ffcli.sweeping.wandb.address import is_address, parse_address
from ffcli.training.context import Context
from ffcli.util.safe_read import YAML_BYTES, parse_yaml, read_file, shown


def find_sweep(context: Context, word: str, *, or_file: bool = False) -> str:
    """Return the id of the sweep in the store that is called so, or alone starts or ends so.

    A name stands for the only sweep whose file has this name, or was the shipped file of this name
    (``quick``).

    Raises RequestError where there is none or more than one; ``or_file``: it could have been a file, too.
    """
    ids = sweep_ids(context.runs_dir)
    found = find_id("sweep", word, ids) or _named(context, word, ids)
    if found is not None:
        return found
    _refuse_others(context, word)
    if or_file:
        raise RequestError(
            f"There is no sweep file and no sweep '{shown(word)}' in {context.runs_dir / SWEEPS}."
            f"{did_you_mean(word) or near(word, ids)}",
            hint=f"Sweep files by name: {', '.join(named_files())}.",
        )
    is_file = _file_of(word) is not None
    raise RequestError(
        f"There is no sweep '{shown(word)}' in {context.runs_dir / SWEEPS}.{near(word, ids)}",
        hint=f"ffnn sweep {word} begins one of this file." if is_file else "ffnn sweeps list shows them all.",
    )


def sweep_called(context: Context, word: str) -> str:
    """Return the id that a word stands for: an address at W&B itself, else as `find_sweep`."""
    return word if is_address(word) else find_sweep(context, word)


def any_stored_sweep(context: Context, word: str) -> str:
    """Return the id of a sweep as `find_sweep` does, W&B's included: entity/project/id."""
    if is_address(word):
        return str(parse_address(word))
    ids = all_sweep_ids(context.runs_dir)
    return find_id("sweep", word, ids) or _named(context, word, ids) or find_sweep(context, word)


def records_of(context: Context, sweep_id: str) -> Iterator[RunRecord]:
    """Yield the runs of the store that belong to a sweep, the oldest first; W&B's own agents' runs too."""
    for record in context.runs.records():
        about = record.wandb
        place = (about.entity, about.project, about.sweep)
        if record.sweep_id == sweep_id or "/".join(map(str, place)) == sweep_id:
            yield record


def sweep_of_runs(context: Context, word: str, records: Iterable[RunRecord]) -> str:
    """Return the id of the sweep that is called so, or alone starts or ends so, to find its runs.

    The sweep lies in the store, where its name will do as well, or ``records`` are of it: a sweep of W&B's
    may leave only runs here. Raises RequestError where there is none or more than one.
    """
    here = sweep_ids(context.runs_dir)
    ids = sorted({*here, *(record.sweep_id for record in records if record.sweep_id)})
    found = find_id("sweep", word, ids) or _named(context, word, here)
    if found is not None:
        return found
    _refuse_run(context, word)
    none = "" if ids else f": {context.runs_dir} holds no sweep and no run of one"
    raise RequestError(f"there is no sweep '{shown(word)}'{none}.{near(word, ids)}", parameter="sweep")


def _named(context: Context, word: str, ids: Sequence[str]) -> str | None:
    """Return the sweep of this name, or None. Raises RequestError where there are several."""
    file = _file_of(word)
    named = []
    for sweep_id in ids:
        text = text_of(context.runs_dir / SWEEPS / sweep_id / SWEEP_FILE)
        if text is not None and (text == file or _name(text, word) == word.casefold()):
            named.append(sweep_id)
    if len(named) > 1:
        raise RequestError(
            f"'{shown(word)}' is the name of {len(named)} sweeps: {some(named)}.",
            hint=f"Give the id of one: the latest is {named[-1]}.",
        )
    return named[0] if named else None


def _file_of(word: str) -> str | None:
    """Return what the sweep file holds that a word stands for, or None."""
    try:
        return text_of(sweep_file(word)) if word else None
    except OSError:  # the word is no name that a file could have
        return None


def text_of(path: Path) -> str | None:
    """Return what a file holds; None where it is none, or cannot be a sweep's."""
    try:
        return read_file(path, YAML_BYTES).decode("utf-8")
    except (OSError, ValueError):
        return None


def _name(text: str, word: str) -> str | None:
    """Return the name in a sweep's file, where it can be ``word`` (reading YAML takes its time)."""
    if not word or word.casefold() not in text.casefold():
        return None
    with suppress(ValueError):
        document = parse_yaml(text)
        name = document.get("name") if isinstance(document, dict) else None
        return name.casefold() if isinstance(name, str) else None
    return None


def _refuse_others(context: Context, word: str) -> None:
    """Raise RequestError where a word stands for a sweep of W&B's, or for a run."""
    elsewhere = alone(word, all_sweep_ids(context.runs_dir))
    if elsewhere is not None:
        raise RequestError(
            f"Sweep {elsewhere} belongs to W&B, whose server holds its trials.",
            hint=f"ffnn report {elsewhere} shows the runs that are stored here.",
        )
    _refuse_run(context, word)


def _refuse_run(context: Context, word: str) -> None:
    run = alone(word, run_ids(context.runs_dir))
    if run is None:
        return
    hint = f"ffnn runs show {run} shows it, ffnn evaluate {run} evaluates it."
    with suppress(FfnnError):
        if sweep := context.runs.read(run).sweep_id:
            hint += f" Its sweep is {sweep}."
    raise RequestError(mistaken(word, run, "run", "sweep"), hint=hint)
