"""``ffnn runs``: what the store holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ffcli.core.registry import nearest, unknown
from ffcli.datasets import canonical_name
from ffcli.errors import RequestError
from ffcli.runs.record import METRICS, STATUSES, RunRecord, is_loss
from ffcli.services.context import Context
from ffcli.services.documents import run_document

_LISTED = (
    "run_id",
    "name",
    "status",
    "dataset",
    "sweep_id",
    "recipe",
    "tags",
    "config",
    "epochs_done",
    "best_epoch",
    "best_val_acc",
    "seconds",
    "started",
)
_SORTABLE = ("started", "name", "status", "seconds", "best_epoch", "best_val_acc", "run_id", "parameters")


def list_runs(
    context: Context,
    *,
    sort: str | None = None,
    limit: int | None = None,
    tag: str | None = None,
    status: str | None = None,
    dataset: str | None = None,
    sweep_id: str | None = None,
) -> list[dict[str, Any]]:
    """Return the runs, the latest first or the best by ``sort`` first; runs without a value come last."""
    if status is not None and status.lower() not in STATUSES:
        raise RequestError(f"--status: {unknown('status', status, STATUSES)}")
    if limit is not None and limit < 1:
        raise RequestError(f"--limit: {limit} is not allowed; give an integer ≥ 1.")
    key, descending = _sort_key(sort or "started")
    name = canonical_name(dataset) if dataset else None
    damaged: list[str] = []
    records = [
        record
        for record in context.runs.records(damaged)
        if (tag is None or tag in record.tags)
        and (status is None or record.status == status.lower())
        and (name is None or record.dataset == name)
        and (sweep_id is None or record.sweep_id == sweep_id)
    ]
    if damaged:
        context.notify(f"{len(damaged)} damaged runs are left out: {', '.join(damaged[:3])}")
    with_value = [record for record in records if key(record) is not None]
    with_value.sort(key=key, reverse=descending)
    without = [record for record in records if key(record) is None]
    return [{name: getattr(record, name) for name in _LISTED} for record in (with_value + without)[:limit]]


def _sort_key(sort: str) -> tuple[Callable[[RunRecord], Any], bool]:
    """Return what to sort by, and whether the largest comes first (accuracies and times do)."""
    word = sort.strip().lower().replace("-", "_")
    if word in METRICS:
        return (lambda record: record.best.get(word)), not is_loss(word)
    if word in _SORTABLE:
        return (lambda record: getattr(record, word)), word in ("started", "best_val_acc")
    # Imported only where it is needed: building the model takes longer than reading a thousand runs.
    from ffcli.config import FIELDS, field_name

    field = field_name(word)
    if field is not None:
        return (lambda record: _sortable(record.config.get(field))), False
    guess = nearest(sort, [*METRICS, *_SORTABLE, *FIELDS])
    raise RequestError(
        f"--sort: '{sort}' is not known: give a metric ({', '.join(METRICS)}), "
        f"one of {', '.join(_SORTABLE)}, or a hyper-parameter.{f' Did you mean {guess!r}?' if guess else ''}"
    )


def _sortable(value: Any) -> Any:
    """Make values of one hyper-parameter comparable, whatever a record holds: numbers before words."""
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    return [(0, item, "") if isinstance(item, (int, float)) else (1, 0, str(item)) for item in items]


def show_run(context: Context, run: str) -> dict[str, Any]:
    """Return train's document of a stored run."""
    path = context.runs.find(run)
    record = context.runs.read(path.name)
    # A process that died within an epoch's writes has left a row that the summary does not know yet.
    rows = context.runs.history(path.name)[: record.epochs_done]
    return run_document(record, rows, path)


def remove_runs(context: Context, runs: Sequence[str]) -> list[str]:
    """Remove runs and return their ids. All are found before the first is removed."""
    paths = [context.runs.find(run) for run in runs]
    for path in dict.fromkeys(paths):
        context.runs.remove(path)
    return [path.name for path in dict.fromkeys(paths)]
