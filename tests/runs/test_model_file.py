from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from ffcli.core.activations import ACTIVATIONS
from ffcli.core.network import Network
from ffcli.errors import FfnnError
from ffcli.runs.model_file import load_arrays, load_network, network_bytes, save_arrays


def network(sizes: tuple[int, ...] = (4, 3, 2), activation: str = "tanh", seed: int = 0) -> Network:
    made = Network(sizes, activation)
    made.initialize("xavier", np.random.default_rng(seed))
    return made


def forge(path: Path, about: Any, **arrays: np.ndarray) -> Path:
    """Write a sound safetensors file that says what it likes of itself."""
    save_file(arrays, path, metadata={"ffnn": about if isinstance(about, str) else json.dumps(about)})
    return path


SOUND = {
    "layers.0.weight": np.ones((4, 3), np.float32),
    "layers.0.bias": np.ones(3, np.float32),
}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 20), min_size=2, max_size=6),
    activation=st.sampled_from(list(ACTIVATIONS)),
    seed=st.integers(0, 99),
)
def test_a_saved_network_predicts_the_same_bits(
    tmp_path: Path, sizes: list[int], activation: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    made = network(tuple(sizes), activation, seed)
    for b in made.biases:
        b[...] = rng.normal(size=b.shape)
    (tmp_path / "m").write_bytes(network_bytes(made, {"note": "täxt"}))
    again, about = load_network(tmp_path / "m")
    images = rng.normal(size=(7, sizes[0])).astype(np.float32)
    assert again.predict_proba(images).tobytes() == made.predict_proba(images).tobytes()
    assert (again.layer_sizes, again.activation_name) == (made.layer_sizes, made.activation_name)
    assert about["note"] == "täxt"


def test_any_reader_of_safetensors_can_use_the_file(tmp_path: Path) -> None:
    made = network()
    (tmp_path / "m").write_bytes(network_bytes(made, {"epoch": 3}))
    arrays = load_file(tmp_path / "m")
    assert {name: array.shape for name, array in arrays.items()} == {
        "layers.0.weight": (4, 3),
        "layers.0.bias": (3,),
        "layers.1.weight": (3, 2),
        "layers.1.bias": (2,),
    }
    np.testing.assert_array_equal(arrays["layers.1.weight"], made.weights[1])
    with safe_open(tmp_path / "m", framework="numpy") as file:
        about = json.loads(file.metadata()["ffnn"])
    assert about == {
        "format": 1,
        "architecture": {"layer_sizes": [4, 3, 2], "activation": "tanh", "batch_norm": False},
        "epoch": 3,
    }


def test_the_same_network_gives_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(network_bytes(network(), {"x": 1}))
    (tmp_path / "b").write_bytes(network_bytes(network(), {"x": 1}))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_arrays_that_are_not_contiguous_are_saved_as_they_look(tmp_path: Path) -> None:
    array = np.arange(12.0).reshape(3, 4).T
    save_arrays(tmp_path / "a", {"array": array}, {"n": 1})
    arrays, about = load_arrays(tmp_path / "a")
    np.testing.assert_array_equal(arrays["array"], array)
    assert about == {"n": 1}


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FfnnError, match="none is missing"):
        load_network(tmp_path / "none")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(FfnnError, match="cannot be read as a model"):
        load_network(tmp_path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(network_bytes(network(), {}))
    whole = (tmp_path / "m").read_bytes()
    for size in range(len(whole)):
        (tmp_path / "m").write_bytes(whole[:size])
        with pytest.raises(FfnnError):
            load_network(tmp_path / "m")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(FfnnError):
        load_network(tmp_path / "m")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_byte_gives_a_network_or_one_message(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "m").write_bytes(network_bytes(network(), {"epoch": 1}))
    content = bytearray((tmp_path / "m").read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "m").write_bytes(content)
    with suppress(FfnnError):
        load_network(tmp_path / "m")


@pytest.mark.parametrize(
    "about",
    [
        "not json",
        "[" * 100_000,
        "null",
        "[]",
        "3",
        {},
        {"architecture": None},
        {"architecture": "relu"},
        {"architecture": {"activation": "relu"}},
        {"architecture": {"layer_sizes": [4, 3]}},
        {"architecture": {"layer_sizes": [4, 3], "activation": "swosh"}},
        {"architecture": {"layer_sizes": [4, 3], "activation": None}},
        {"architecture": {"layer_sizes": [4, 3], "activation": ["relu"]}},
        {"architecture": {"layer_sizes": None, "activation": "relu"}},
        {"architecture": {"layer_sizes": 4, "activation": "relu"}},
        {"architecture": {"layer_sizes": [], "activation": "relu"}},
        {"architecture": {"layer_sizes": ["x", 3], "activation": "relu"}},
        {"architecture": {"layer_sizes": [float("inf"), 3], "activation": "relu"}},
        {"architecture": {"layer_sizes": [float("nan"), 3], "activation": "relu"}},
        {"architecture": {"layer_sizes": [3, 4], "activation": "relu"}},
        {"architecture": {"layer_sizes": [4, 3, 3], "activation": "relu"}},
        {"architecture": {"layer_sizes": [-4, -3], "activation": "relu"}},
    ],
    ids=lambda about: str(about)[:60],
)
def test_a_false_description_is_refused(tmp_path: Path, about: Any) -> None:
    with pytest.raises(FfnnError) as caught:
        load_network(forge(tmp_path / "m", about, **SOUND))
    assert str(tmp_path / "m") in str(caught.value)


def test_a_file_without_a_description_is_refused(tmp_path: Path) -> None:
    save_file(SOUND, tmp_path / "m")
    with pytest.raises(FfnnError, match="cannot be read as a model of ffnn"):
        load_network(tmp_path / "m")


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"layers.0.weight": SOUND["layers.0.weight"]},
        {**SOUND, "layers.0.bias": np.ones((3, 1), np.float32)},
        {**SOUND, "layers.0.bias": np.ones(1, np.float32)},
        {**SOUND, "layers.0.weight": np.ones((3, 4), np.float32)},
        {**SOUND, "more": np.ones(1, np.float32)},
    ],
    ids=range(6),
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    about = {"architecture": {"layer_sizes": [4, 3], "activation": "relu"}}
    with pytest.raises(FfnnError, match="its arrays do not fit its architecture"):
        load_network(forge(tmp_path / "m", about, **arrays))


def test_a_layer_of_no_units_is_refused(tmp_path: Path) -> None:
    about = {"architecture": {"layer_sizes": [4, 0], "activation": "relu"}}
    arrays = {"layers.0.weight": np.ones((4, 0), np.float32), "layers.0.bias": np.ones(0, np.float32)}
    with pytest.raises(FfnnError, match="positive"):
        load_network(forge(tmp_path / "m", about, **arrays))


@pytest.mark.parametrize(("dtype", "n_bytes"), [("F8_E4M3", 1), ("BF16", 2)])
def test_an_array_of_a_type_that_numpy_lacks_is_refused(tmp_path: Path, dtype: str, n_bytes: int) -> None:
    about = json.dumps({"architecture": {"layer_sizes": [1, 1], "activation": "relu"}})
    weight = {"dtype": dtype, "shape": [1, 1], "data_offsets": [0, n_bytes]}
    header = json.dumps({"__metadata__": {"ffnn": about}, "layers.0.weight": weight}).encode()
    (tmp_path / "m").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * n_bytes)
    with pytest.raises(FfnnError):
        load_network(tmp_path / "m")


def test_a_huge_declared_architecture_takes_no_memory(tmp_path: Path) -> None:
    about = {"architecture": {"layer_sizes": [30_000, 20_000, 3], "activation": "relu"}}
    path = forge(tmp_path / "m", about, **SOUND)
    tracemalloc.start()
    with pytest.raises(FfnnError, match="do not fit"):
        load_network(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_arrays(tmp_path / "m", {"array": np.zeros(3)}, {})
    before = (tmp_path / "m").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_arrays(tmp_path / "m", {"array": np.ones(3)}, {})
    assert (tmp_path / "m").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
