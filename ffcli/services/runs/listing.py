"""``ffnn runs``: what the store holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ffcli.errors import RequestError
from ffcli.runs.documents import run_document
from ffcli.runs.record import METRICS, STATUSES, RunRecord, is_loss
from ffcli.runs.staging import remove_unbegun
from ffcli.services.sweeps.find import sweep_of_runs
from ffcli.training.context import Context
from ffcli.util.safe_read import shown
from ffcli.util.suggest import nearest, question, unknown
from ffcli.util.text import are, counted

DAMAGED = "damaged"  # the status of what has no readable record
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
_SIZE = "size"
_LARGEST_FIRST = ("started", "best_val_acc", _SIZE)


@dataclass(frozen=True)
class Filter:
    """Which runs: those that are all of what is given, ``sweep`` an id or the beginning or end of one.

    Raises RequestError for a status that there is not.
    """

    tag: str | None = None
    status: str | None = None
    dataset: str | None = None
    sweep: str | None = None

    def __post_init__(self) -> None:
        known = (*STATUSES, DAMAGED)
        if self.status is not None and self.status.lower() not in known:
            raise RequestError(f"--status: {unknown('status', self.status, known)}")

    def chosen(self, context: Context) -> tuple[list[RunRecord], list[str]]:
        """Return the records of these runs, the oldest first, and the ids of the damaged ones among them.

        Raises RequestError for a sweep that there is not, or of which there are several.
        """
        name = None
        if self.dataset is not None:
            from ffcli.datasets import canonical_name  # it loads NumPy

            name = canonical_name(self.dataset)
        status = self.status and self.status.lower()
        damaged: list[str] = []
        records = list(context.runs.records(damaged))
        sweep_id = None if self.sweep is None else sweep_of_runs(context, self.sweep, records)
        records = [
            record
            for record in records
            if (self.tag is None or self.tag in record.tags)
            and (status is None or record.status == status)
            and (name is None or record.dataset == name)
            and (sweep_id is None or record.sweep_id == sweep_id)
        ]
        # What has no record has no dataset, no tag and no sweep.
        wanted = self.tag is self.dataset is self.sweep is None and status in (None, DAMAGED)
        return records, damaged if wanted else []


def list_runs(
    context: Context, *, sort: str | None = None, limit: int | None = None, **which: str | None
) -> list[dict[str, Any]]:
    """Return the runs, the latest first or the best by ``sort`` first; runs without a value come last.

    ``which`` are the fields of a `Filter`. ``size`` is in bytes, of all files of a run. Damaged ones come at
    the very end, with the status "damaged" and nothing else that is known.
    """
    if limit is not None and limit < 1:
        raise RequestError(f"--limit: {limit} is not allowed; give an integer ≥ 1.")
    key, descending = _sort_key(context, sort or "started")
    remove_unbegun(context.runs_dir)
    records, damaged = Filter(**which).chosen(context)
    if damaged:
        named = f"{', '.join(map(shown, damaged[:3]))}{' …' * (len(damaged) > 3)}"
        context.notify(f"{counted(len(damaged), 'run')} {are(len(damaged))} damaged: {named}")
    by_value = [(key(record), record) for record in records]
    with_value = [pair for pair in by_value if pair[0] is not None]
    with_value.sort(key=lambda pair: pair[0], reverse=descending)
    in_order = [record for _, record in with_value]
    in_order += [record for value, record in by_value if value is None]
    documents = [record_document(context, record) for record in in_order[:limit]]
    left = None if limit is None else limit - len(documents)
    return documents + [damaged_document(context, run_id) for run_id in damaged[:left]]


def record_document(context: Context, record: RunRecord) -> dict[str, Any]:
    """Return what is listed of a run."""
    files = context.runs.files(record.run_id)
    context.runs.tidy(record, files)
    return {**{name: getattr(record, name) for name in _LISTED}, _SIZE: sum(files.values())}


def damaged_document(context: Context, run_id: str) -> dict[str, Any]:
    """Return the same of a run that has no readable record."""
    known = {"run_id": run_id, "status": DAMAGED, "tags": [], "config": {}}
    size = sum(context.runs.files(run_id).values())
    return {**dict.fromkeys(_LISTED), **known, _SIZE: size}


def _sort_key(context: Context, sort: str) -> tuple[Callable[[RunRecord], Any], bool]:
    """Return what to sort by, and whether the largest comes first (accuracies, times and sizes do)."""
    word = sort.strip().lower().replace("-", "_")
    if word in METRICS:
        return (lambda record: record.best.get(word)), not is_loss(word)
    if word == _SIZE:
        return (lambda record: sum(context.runs.files(record.run_id).values())), True
    if word in _SORTABLE:
        return (lambda record: getattr(record, word)), word in _LARGEST_FIRST
    # Imported only where it is needed: building the model takes longer than reading a thousand runs.
    from ffcli.config import FIELDS, field_name

    field = field_name(word)
    if field is not None:
        return (lambda record: _sortable(record.config.get(field))), False
    meant = question(nearest(sort, [*METRICS, *_SORTABLE, _SIZE, *FIELDS]))
    raise RequestError(
        f"--sort: '{sort}' is not known: give a metric ({', '.join(METRICS)}), "
        f"one of {', '.join((*_SORTABLE, _SIZE))}, or a hyper-parameter.{meant}"
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
