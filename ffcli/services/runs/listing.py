"""``ffnn runs list`` and ``show``: the runs of the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from ffcli.errors import RequestError
from ffcli.runs.metric import METRICS, Metric, Standing, is_loss
from ffcli.runs.record import STATUSES, RunRecord
from ffcli.runs.results import RunResult
from ffcli.runs.staging import remove_unbegun
from ffcli.services.sweeps.find import sweep_of_runs
from ffcli.training.context import Context
from ffcli.util.safe_read import shown
from ffcli.util.suggest import nearest, question, unknown
from ffcli.util.text import are, counted

DAMAGED = "damaged"  # the status of a run directory without a readable record
_SORTABLE = ("started", "name", "status", "seconds", "best_epoch", "best_val_acc", "run_id", "parameters")
_SIZE = "size"
_LARGEST_FIRST = ("started", "best_val_acc", _SIZE)


@dataclass(frozen=True)
class ListedRun:
    """A run as it is listed. Only run_id, status and size are known of a damaged one."""

    run_id: str
    name: str | None
    status: str
    """That of the run, or damaged."""
    dataset: str | None
    sweep_id: str | None
    recipe: str | None
    tags: list[str]
    config: dict[str, Any]
    """All hyper-parameters, by their names."""
    epochs_done: int | None
    best_epoch: int | None
    best_val_acc: float | None
    seconds: float | None
    """Duration of all epochs with validation."""
    started: str | None
    """When the run started, in UTC."""
    size: int
    """Bytes of all files of the run."""


@dataclass(frozen=True)
class Filter:
    """Which runs: those that meet all conditions; ``sweep`` is an id, or the beginning or end of one.

    Raises RequestError for an unknown status.
    """

    tag: str | None = None
    status: str | None = None
    dataset: str | None = None
    sweep: str | None = None

    def __post_init__(self) -> None:
        known = (*STATUSES, DAMAGED)
        if self.status is not None and self.status.lower() not in known:
            raise RequestError(unknown("status", self.status, known), parameter="status")

    def select(self, context: Context) -> tuple[list[RunRecord], list[str]]:
        """Return the records of these runs, the oldest first, and the ids of the damaged ones among them.

        Raises RequestError for an unknown or ambiguous sweep.
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
        # Without a record there is no dataset, no tag and no sweep.
        included = self.tag is self.dataset is self.sweep is None and status in (None, DAMAGED)
        return records, damaged if included else []


def list_runs(
    context: Context, *, sort: str | None = None, limit: int | None = None, **which: str | None
) -> list[ListedRun]:
    """Return the runs, the latest first or the best by ``sort`` first; runs without a value come last.

    Sorted by a loss, the runs that were trained with one loss stand together: losses of different kinds are
    not compared. ``which`` are the fields of a `Filter`. Damaged runs come at the very end. Raises
    RequestError.
    """
    if limit is not None and limit < 1:
        raise RequestError(f"must be an integer ≥ 1, got {limit}", parameter="limit")
    order = _order(context, sort or "started")
    remove_unbegun(context.runs_dir)
    records, damaged = Filter(**which).select(context)
    if damaged:
        named = f"{', '.join(map(shown, damaged[:3]))}{' …' * (len(damaged) > 3)}"
        context.notify(f"{counted(len(damaged), 'run')} {are(len(damaged))} damaged: {named}")
    in_order = order(records)
    with_value = {record.run_id for record in in_order}
    in_order += [record for record in records if record.run_id not in with_value]
    found = [listed(context, record) for record in in_order[:limit]]
    left = None if limit is None else limit - len(found)
    return found + [listed_damaged(context, run_id) for run_id in damaged[:left]]


def listed(context: Context, record: RunRecord) -> ListedRun:
    """Return a run as it is listed."""
    files = context.runs.files(record.run_id)
    context.runs.tidy(record, files)
    names = [field.name for field in fields(ListedRun) if field.name != _SIZE]
    return ListedRun(**{name: getattr(record, name) for name in names}, size=sum(files.values()))


def listed_damaged(context: Context, run_id: str) -> ListedRun:
    """Return a run without a readable record as it is listed."""
    unknown_: dict[str, Any] = dict.fromkeys(field.name for field in fields(ListedRun))
    size = sum(context.runs.files(run_id).values())
    return ListedRun(
        **{**unknown_, "run_id": run_id, "status": DAMAGED, "tags": [], "config": {}, _SIZE: size}
    )


_Order = Callable[[list[RunRecord]], list[RunRecord]]


def _order(context: Context, sort: str) -> _Order:
    """Return what sorts the runs that have a value and leaves out the others.

    The largest value comes first for accuracies, times and sizes, the smallest for anything else.
    """
    word = sort.strip().lower().replace("-", "_")
    if word in METRICS:
        return _by_metric(context, Metric.named(word))
    if word == _SIZE:
        return _by_value(lambda record: sum(context.runs.files(record.run_id).values()), descending=True)
    if word in _SORTABLE:
        return _by_value(lambda record: getattr(record, word), descending=word in _LARGEST_FIRST)
    # Imported only where it is needed: building the model takes longer than reading a thousand runs.
    from ffcli.config import FIELDS, field_name

    name = field_name(word)
    if name is not None:
        return _by_value(lambda record: _sortable(record.config.get(name)), descending=False)
    meant = question(nearest(sort, [*METRICS, *_SORTABLE, _SIZE, *FIELDS]))
    raise RequestError(
        f"expected a metric ({', '.join(METRICS)}), one of {', '.join((*_SORTABLE, _SIZE))}, or a "
        f"hyper-parameter, got '{sort}'.{meant}",
        parameter="sort",
    )


def _by_metric(context: Context, metric: Metric) -> _Order:
    def order(records: list[RunRecord]) -> list[RunRecord]:
        ranked = metric.ranked(
            records, lambda run: Standing(run.best.get(metric.name), run.config.get("loss")), mixed=True
        )
        losses = sorted({str(run.config.get("loss")) for run in ranked})
        if is_loss(metric.name) and len(losses) > 1:
            context.notify(
                f"{metric.name} cannot be compared between losses: sorted within {', '.join(losses)}"
            )
        return ranked

    return order


def _by_value(value: Callable[[RunRecord], Any], *, descending: bool) -> _Order:
    def order(records: list[RunRecord]) -> list[RunRecord]:
        pairs = [(value(record), record) for record in records]
        known = [pair for pair in pairs if pair[0] is not None]
        return [record for _, record in sorted(known, key=lambda pair: pair[0], reverse=descending)]

    return order


def _sortable(value: Any) -> Any:
    """Make values of one hyper-parameter comparable, whatever a record holds: numbers before words."""
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    return [(0, item, "") if isinstance(item, (int, float)) else (1, 0, str(item)) for item in items]


def show_run(context: Context, run: str) -> RunResult:
    """Return a stored run. Raises RequestError where there is none, FfnnError where it is damaged."""
    path = context.runs.find(run)
    record = context.runs.read(path.name)
    # A process that died within an epoch's writes has left a row that the summary does not know yet.
    rows = context.runs.history(path.name)[: record.epochs_done]
    return RunResult.of(record, rows, path)
