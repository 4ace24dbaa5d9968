"""Whatever is accepted can be stored and read again, for all options at their bounds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_runs import Place
from stored_runs import record

from ffcli.cli.app import main
from ffcli.config import FIELDS, Choice, TrainConfig, metadata, run_name, validate
from ffcli.errors import RequestError
from ffcli.runs.integrity import MOST_EPOCHS
from ffcli.runs.record import MOST_THREADS
from ffcli.runs.recorder import RunRecorder
from ffcli.runs.store import RunStore
from ffcli.services.runs.listing import list_runs
from ffcli.services.train import train
from ffcli.training.context import Context
from ffcli.training.events import TrainingOver
from ffcli.training.options import RunOptions, wandb_wishes
from ffcli.util.atomic_files import json_text

# What a command line can hold: any bytes but NUL, those that are no UTF-8 as surrogates.
WORDS = st.binary(max_size=30).map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
_TINY = math.nextafter(1.1754943508222875e-38, 1)  # the least normal number of single precision
_HUGE = 3.4028234663852886e38


def _bounds(name: str) -> list[Any]:
    """Return the values at the bounds of a field of TrainConfig."""
    info = FIELDS[name]
    if choice := metadata(info, Choice):
        return list(choice.registry)
    if info.annotation is bool:
        return [True, False]
    texts = {
        "dataset": ["/tiny.npz", "/t\udcffny\n?*#.npz"],
        "augment": ["none", "flip,shift:999"],
        "fold": ["none", "1/2", "9999/9999"],
    }
    if name in texts:
        return texts[name]
    if name == "hidden_size":
        return [1, 1 << 20, [1 << 20] * 3]
    limits = {
        key: getattr(item, key)
        for item in info.metadata
        for key in ("gt", "ge", "lt", "le")
        if hasattr(item, key)
    }
    if "float" in str(info.annotation):
        low = limits.get("ge", _TINY if limits.get("gt") == 0 else -_HUGE)
        return [low, _TINY, math.nextafter(limits["lt"], 0) if "lt" in limits else _HUGE]
    low, high = limits.get("ge", -(1 << 1023)), limits.get("le", (1 << 1023))
    return [low, min(high, MOST_EPOCHS if name == "epochs" else high)]


@st.composite
def configurations(draw: st.DrawFn) -> TrainConfig:
    values = {name: draw(st.sampled_from(_bounds(name))) for name in FIELDS if name != "num_layers"}
    if not isinstance(values["hidden_size"], list):
        values["num_layers"] = draw(st.sampled_from([0, 9_999]))
    return validate(values)


RUN_OPTIONS = st.builds(
    RunOptions,
    name=st.none() | WORDS,
    tags=st.lists(WORDS, max_size=3).map(tuple),
    threads=st.sampled_from([1, MOST_THREADS]),
    wandb=st.sampled_from(["auto", "online", "offline", "disabled"]),
    wandb_project=st.none() | WORDS,
    wandb_entity=st.none() | WORDS,
    log_model=st.booleans(),
    command_line=st.lists(WORDS, max_size=3).map(tuple),
    recipe=st.none() | WORDS,
)


@settings(max_examples=50, deadline=None)
@given(config=configurations(), options=RUN_OPTIONS, error=WORDS, sweep_id=st.none() | WORDS)
def test_a_run_reads_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    config: TrainConfig,
    options: RunOptions,
    error: str,
    sweep_id: str,
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    store, new = RunStore(folder), RunStore(folder).create()
    about = record(
        new.path.name,
        name=options.name or run_name(config),
        dataset=config.dataset,
        tags=list(options.tags),
        threads=options.threads,
        recipe=options.recipe,
        sweep_id=sweep_id,
        wandb=wandb_wishes(options),
    )
    with RunRecorder(new.path, about, new=new) as recorder:
        recorder.begin(config)
        recorder.end("failed", error)
    assert store.read(new.path.name) == recorder.record
    assert validate(store.config(new.path.name)) == config
    (listed,) = json.loads(json_text(list_runs(Context(folder, folder))))
    assert (listed["name"], listed["tags"]) == (recorder.record.name, recorder.record.tags)


def test_the_longest_list_of_sizes_reads_as_it_was_written(tmp_path: Path) -> None:
    config = validate({"dataset": "/tiny.npz", "hidden_size": [1 << 20] * 9_999})
    with RunRecorder(tmp_path, record(tmp_path.name)) as recorder:
        recorder.begin(config)
    assert validate(RunStore(tmp_path.parent).config(tmp_path.name)) == config


@pytest.mark.parametrize(
    ("options", "config"),
    [
        (RunOptions(threads=MOST_THREADS + 1), {}),
        (RunOptions(tags=("x" * (1 << 24),)), {}),
        (RunOptions(), {"epochs": MOST_EPOCHS + 1}),
    ],
    ids=["threads", "bytes", "epochs"],
)
def test_what_could_not_be_read_again_is_refused_before_it_is_trained(
    tmp_path: Path, options: RunOptions, config: dict[str, Any]
) -> None:
    place = Place(tmp_path)
    with pytest.raises(RequestError):
        train(place.context, place.config(**config), options, _never)
    assert list(place.context.runs_dir.iterdir()) == []


def _never(event: object) -> None:
    """Observe a training that must not begin."""
    if not isinstance(event, TrainingOver):
        pytest.fail("it trains")


def test_threads_end_at_a_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    words = ["train", "-d", str(place.dataset), "-e", "1", "--json", "--runs-dir", str(tmp_path / "runs")]
    words += ["--wandb", "disabled", "--data-dir", str(tmp_path)]
    assert main([*words, "--threads", str(MOST_THREADS + 1)]) == 2
    assert "--threads" in capsys.readouterr().err
    assert main([*words, "--threads", str(MOST_THREADS)]) == 0
    run_id = json.loads(capsys.readouterr().out)["run_id"]
    assert RunStore(tmp_path / "runs").read(run_id).threads == MOST_THREADS
