from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_runs import record

from ffcli.core.training import EpochResult
from ffcli.runs.provenance import Provenance, RerunOf, provenance
from ffcli.runs.record import (
    HISTORY_COLUMNS,
    HistoryRow,
    RunRecord,
    WandbRun,
    history_csv,
    is_loss,
    parse_history,
    utc_now,
)
from ffcli.util.atomic_files import json_text

RESULT = EpochResult(1, 0.5, 0.75, 0.25, 0.875, 1.5, 1.0, 0.625)
TIME = "2026-01-01T00:00:00.000Z"


def bits(value: float) -> bytes:
    return np.float64(value).tobytes()


@given(st.lists(st.tuples(*[st.floats(allow_nan=False)] * 7), max_size=5))
def test_the_floats_of_a_history_keep_every_bit(epochs: list[tuple[float, ...]]) -> None:
    rows = [HistoryRow(EpochResult(n, *values), TIME) for n, values in enumerate(epochs, 1)]
    again = parse_history(history_csv(rows))
    assert [row.result.epoch for row in again] == [row.result.epoch for row in rows]
    for row, other in zip(rows, again, strict=True):
        for name, value in asdict(row.result).items():
            assert bits(getattr(other.result, name)) == bits(value)


def test_a_history_is_plain_csv() -> None:
    text = history_csv([HistoryRow(RESULT, TIME)])
    assert text.splitlines() == [
        "epoch,train_loss,train_acc,val_loss,val_acc,val_f1,seconds,train_seconds,time",
        "1,0.5,0.75,0.25,0.875,0.625,1.5,1.0,2026-01-01T00:00:00.000Z",
    ]
    assert history_csv([]).strip() == ",".join(HISTORY_COLUMNS)
    assert parse_history(history_csv([])) == []


def test_a_history_without_a_metric_is_refused() -> None:
    head = "epoch,train_loss,train_acc,val_loss,val_acc,seconds,train_seconds,time\n"
    with pytest.raises(KeyError):
        parse_history(f"{head}1,0.5,0.75,0.25,0.875,1.5,1.0,{TIME}\n")


def test_a_diverged_epoch_reads_as_it_was_written() -> None:
    row = HistoryRow(replace(RESULT, train_loss=math.nan, val_loss=math.inf), TIME)
    (again,) = parse_history(history_csv([row]))
    assert math.isnan(again.result.train_loss)
    assert again.result.val_loss == math.inf
    assert again.result.diverged


def test_a_record_goes_through_json() -> None:
    full = record(
        tags=["a", "b"],
        best={"val_acc": 0.5},
        best_epoch=1,
        best_val_acc=0.5,
        wandb=WandbRun(mode="online", model=True),
        threads=2,
        provenance=Provenance(core=3, command_line=["ffnn"], rerun=RerunOf("a sweep", "a run")),
    )
    assert RunRecord.from_dict(json.loads(json.dumps(full.as_dict()))) == full


def test_the_best_value_of_each_metric_is_kept() -> None:
    one = record()
    first = EpochResult(1, 0.9, 0.5, 0.7, 0.6, 2.0, 1.0, 0.25)
    second = EpochResult(2, 0.8, 0.4, 0.75, 0.6, 3.0, 1.0, 0.375)
    one.note_epoch(first, first)
    one.note_epoch(second, first)
    best = {"train_loss": 0.8, "train_acc": 0.5, "val_loss": 0.7, "val_acc": 0.6, "val_f1": 0.375}
    assert one.best == best
    assert (one.epochs_done, one.best_epoch, one.best_val_acc, one.seconds) == (2, 1, 0.6, 5.0)


def test_a_diverged_epoch_is_never_the_best() -> None:
    one = record()
    one.note_epoch(RESULT, RESULT)
    one.note_epoch(EpochResult(2, math.nan, 1.0, math.inf, 1.0, 1.0, 1.0, math.nan), RESULT)
    assert one.best == {
        "train_loss": 0.5,
        "train_acc": 0.75,
        "val_loss": 0.25,
        "val_acc": 0.875,
        "val_f1": 0.625,
    }
    assert (one.epochs_done, one.best_epoch) == (2, 1)


@pytest.mark.parametrize(("metric", "less"), [("val_acc", False), ("train_loss", True), ("val_loss", True)])
def test_losses_are_better_when_less(metric: str, less: bool) -> None:
    assert is_loss(metric) == less


def test_times_are_utc_and_sort() -> None:
    first, second = utc_now(), utc_now()
    assert first <= second
    assert first.endswith("Z")
    assert len(first) == len("2026-01-31T12:00:00.123Z")


def test_provenance_tells_versions_data_and_command() -> None:
    known = provenance("abc", ["ffnn", "train"])
    assert known.dataset_digest == "abc"
    assert known.command_line == ["ffnn", "train"]
    assert known.numpy == np.__version__
    assert known.blas
    assert Provenance(**json.loads(json.dumps(known.as_dict()))) == known


@pytest.mark.parametrize("text", ["plain", "tä\n", "\udcff.npz", "\ud83d", "😀"])
def test_any_text_is_read_again(text: str) -> None:
    """A path may hold bytes that are no UTF-8: half a character, which not every reader of JSON takes."""
    full = record(name=text, tags=[text], error=text, config={"dataset": text, "seed": 1 << 80})
    assert RunRecord.from_json(json.dumps(full.as_dict()).encode()) == full


@pytest.mark.parametrize("value", [["x"], {"a": 1}, None])
@pytest.mark.parametrize("name", ["loss", "fold", "val_fraction"])
def test_a_value_that_runs_are_compared_by_is_of_its_kind(name: str, value: object) -> None:
    """One run whose loss is a list would end the ranking of all runs."""
    content = json.dumps({**record().as_dict(), "config": {name: value}}).encode()
    with pytest.raises(ValueError, match=name):
        RunRecord.from_json(content)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b'{"run_id": NaN}', b"[" * 100_000, b"\xff"])
def test_what_is_no_record_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        RunRecord.from_json(content)


@pytest.mark.parametrize("n", [3, 1000])
def test_a_list_of_any_length_is_json(n: int) -> None:
    items = [{"value": math.nan, "at": at, "pair": (1, math.inf)} for at in range(n)]
    expected = [{"value": None, "at": at, "pair": [1, None]} for at in range(n)]
    assert json.loads(json_text(items), parse_constant=pytest.fail) == expected
