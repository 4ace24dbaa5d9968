"""Sweeps typed as words NAME=VALUES."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcli.errors import FfnnError, RequestError
from ffcli.sweeping.spec.spec import load_spec
from ffcli.sweeping.spec.typed import typed_sweep


def test_lists_are_a_grid() -> None:
    words = ["lr=1e-3,1e-4", "optimizer=adam,nadam", "hidden_size=[128,64],[32]", "epochs=2"]
    assert typed_sweep(words) == {
        "method": "grid",
        "metric": {"name": "val_acc", "goal": "maximize"},
        "parameters": {
            "lr": {"values": [0.001, 0.0001]},
            "optimizer": {"values": ["adam", "nadam"]},
            "hidden_size": {"values": [[128, 64], [32]]},
            "epochs": {"values": [2]},
        },
    }


@pytest.mark.parametrize(
    ("word", "method", "parameter"),
    [
        ("dropout=0..0.5", None, {"min": 0, "max": 0.5}),
        ("epochs=1..5", "grid", {"min": 1, "max": 5}),
        ("lr=1e-4..1e-1:log", None, {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1}),
        ("hls=32..256:log", "bayes", {"distribution": "q_log_uniform_values", "min": 32, "max": 256}),
        ("hls=32..256:log", "grid", {"values": [32, 64, 128, 256]}),
        ("hls=3..20:log", "grid", {"values": [3, 6, 12]}),
        ("lr=1e-4..1e-1:log", "grid", {"values": [0.0001, 0.001, 0.01, 0.1]}),
        ("lr=0.25..30.0:log", "grid", {"values": [0.25, 2.5, 25]}),
    ],
)
def test_ranges(word: str, method: str | None, parameter: dict[str, object]) -> None:
    made = typed_sweep([word], method)
    assert made["method"] == (method or "random")
    assert list(made["parameters"].values()) == [parameter]
    assert load_spec(made).space


def test_a_range_over_all_floats_is_refused_by_the_bounds_of_its_field() -> None:
    made = typed_sweep(["lr=1e-300..1e299:log"], "grid")
    assert made["parameters"]["lr"]["values"] == [float(f"1e{power}") for power in range(-300, 300)]
    with pytest.raises(RequestError, match="must be a number > 0"):
        load_spec(made)


def test_names_of_people_are_understood() -> None:
    spec = load_spec(typed_sweep(["lr=0.1,0.01", "optimiser=NAG", "num_hidden_layers=1,2"]))
    assert spec.size == 4
    assert set(spec.space) == {"learning_rate", "optimizer", "num_layers"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lr"], "expected NAME="),
        (["=1"], "expected NAME="),
        (["lr="], "expected NAME="),
        (["lr=0.1", "lr=0.2"], "given twice"),
        (["lr=0.1..0.01"], "not less"),
        (["lr=0..1:log"], "above 0"),
        (["lr=a..b"], "must be numbers"),
        (["lr={a: 1}"], "expected NAME="),
        (["lr=[1"], "not YAML"),
        (["hls=064"], "octal"),
    ],
)
def test_other_words_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        typed_sweep(words)
    assert caught.value.parameter == "set"


@given(st.lists(st.text("lr=.,:[]{}0123456789e-og #\n'\"", max_size=24), max_size=3))
def test_any_words(words: list[str]) -> None:
    try:
        load_spec(typed_sweep(["epochs=1", *words]))
    except FfnnError:
        return
