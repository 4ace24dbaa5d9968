"""``ffnn runs list`` and ``show``: the runs of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from ffcli.errors import RequestError
from ffcli.runs.metric import METRICS, Metric, Standing, is_loss
from ffcli.runs.record import STATUSES, RunRecord
from ffcli.runs.results import RunResult
from ffcli.runs.staging import remove_unbegun
from ffcli.services.columns import Column, Condition, find_columns, hyperparameter, in_order
from ffcli.services.sweeps.find import sweep_of_runs
from ffcli.training.context import Context
from ffcli.util.safe_read import shown
from ffcli.util.suggest import unknown
from ffcli.util.text import are, counted

DAMAGED = "damaged"  # the status of a run directory without a readable record
_SIZE = "size"
_LARGEST_FIRST = ("started", "ended", "best_val_acc", "test_acc", "test_acc_tta", _SIZE)
_OTHER_NAMES = {"run": "run_id", "id": "run_id", "sweep": "sweep_id", "time": "seconds", "tag": "tags"}


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
    best: dict[str, float]
    """The best value of each metric over the epochs."""
    test_acc: float | None
    """Test accuracy at the last evaluation; null before the first."""
    test_acc_tta: float | None
    """The same with test-time averaging."""
    parameters: int | None
    """Number of weights and biases."""
    seconds: float | None
    """Duration of all epochs with validation."""
    started: str | None
    """When the run started, in UTC."""
    size: int
    """Bytes of all files of the run."""


@dataclass(frozen=True)
class Filter:
    """Which runs: those that meet all conditions; ``sweep`` is an id, or the beginning or end of one.

    ``where`` are conditions such as learning_rate<0.01. Raises RequestError for an unknown status.
    """

    tag: str | None = None
    status: str | None = None
    dataset: str | None = None
    sweep: str | None = None
    where: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = (*STATUSES, DAMAGED)
        if self.status is not None and self.status.lower() not in known:
            raise RequestError(unknown("status", self.status, known), parameter="status")

    def select(self, context: Context) -> tuple[list[RunRecord], list[str]]:
        """Return the records of these runs, the oldest first, and the ids of the damaged ones among them.

        Raises RequestError for an unknown or ambiguous sweep, and for what is no condition.
        """
        conditions = [Condition.parse(text, partial(_column, context, "where")) for text in self.where]
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
            and all(condition.holds(record) for condition in conditions)
        ]
        # Without a record there is no dataset, no tag, no sweep and no value.
        included = self.tag is self.dataset is self.sweep is None and status in (None, DAMAGED)
        included = included and not conditions
        return records, damaged if included else []


def list_runs(
    context: Context,
    *,
    sort: str | None = None,
    limit: int | None = None,
    where: Sequence[str] = (),
    **which: str | None,
) -> list[ListedRun]:
    """Return the runs, the latest first or the best by ``sort`` first; runs without a value come last.

    ``sort`` is any column (see `run_columns`): the largest value comes first for accuracies, times of day and
    sizes, the smallest for anything else.

    Sorted by a loss, the runs that were trained with one loss stand together: losses of different kinds are
    not compared. ``which`` are the fields of a `Filter`. Damaged runs come at the very end. Raises
    RequestError.
    """
    if limit is not None and limit < 1:
        raise RequestError(f"must be an integer ≥ 1, got {limit}", parameter="limit")
    by = _column(context, "sort", sort or "started")
    remove_unbegun(context.runs_dir)
    records, damaged = Filter(**which, where=tuple(where)).select(context)
    if damaged:
        named = f"{', '.join(map(shown, damaged[:3]))}{' …' * (len(damaged) > 3)}"
        context.notify(f"{counted(len(damaged), 'run')} {are(len(damaged))} damaged: {named}")
    found = [listed(context, record) for record in _in_order(context, records, by)[:limit]]
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
    about: dict[str, Any] = dict.fromkeys(field.name for field in fields(ListedRun))
    size = sum(context.runs.files(run_id).values())
    about |= {"run_id": run_id, "status": DAMAGED, "tags": [], "config": {}, "best": {}, _SIZE: size}
    return ListedRun(**about)


def run_columns(context: Context, words: Iterable[str], parameter: str = "columns") -> list[Column]:
    """Return the columns of these names: metrics, fields of a `ListedRun`, hyper-parameters.

    Raises RequestError that names the ``parameter`` for a word that is none.
    """
    known = [*METRICS, *(field.name for field in fields(ListedRun) if field.name not in ("config", "best"))]

    def find(word: str) -> Column | None:
        word = _OTHER_NAMES.get(word, word)
        if word in METRICS:
            return Column(word, "metric", lambda run: run.best.get(word))
        if word == _SIZE:
            return Column(word, "field", partial(_size, context))
        if word in known:
            return Column(word, "field", lambda run: getattr(run, word))
        return hyperparameter(word, lambda run: run.config)

    return find_columns(words, find, known, parameter)


def _column(context: Context, parameter: str, word: str) -> Column:
    return run_columns(context, [word], parameter)[0]


def _size(context: Context, run: RunRecord | ListedRun) -> int:
    return run.size if isinstance(run, ListedRun) else sum(context.runs.files(run.run_id).values())


def _in_order(context: Context, records: list[RunRecord], by: Column) -> list[RunRecord]:
    if by.kind != "metric":
        return in_order(records, by, descending=by.name in _LARGEST_FIRST)
    metric = Metric.named(by.name)
    ranked = metric.ranked(
        records, lambda run: Standing(run.best.get(metric.name), run.config.get("loss")), mixed=True
    )
    losses = sorted({str(run.config.get("loss")) for run in ranked})
    if is_loss(metric.name) and len(losses) > 1:
        context.notify(f"{metric.name} cannot be compared between losses: sorted within {', '.join(losses)}")
    with_value = {record.run_id for record in ranked}
    return ranked + [record for record in records if record.run_id not in with_value]


def show_run(context: Context, run: str) -> RunResult:
    """Return a stored run. Raises RequestError where there is none, FfnnError where it is damaged."""
    path = context.runs.find(run)
    record = context.runs.read(path.name)
    # A process that died within an epoch's writes has left a row that the summary does not know yet.
    rows = context.runs.history(path.name)[: record.epochs_done]
    return RunResult.of(record, rows, path)
