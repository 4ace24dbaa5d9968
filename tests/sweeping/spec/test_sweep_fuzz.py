"""Whatever stands in a sweep file, it is read or refused with one message; nothing else comes of it."""

from __future__ import annotations

import numpy as np
import yaml
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ffcli.config import FIELDS
from ffcli.errors import RequestError
from ffcli.sweeping.spec.parameters import DISTRIBUTIONS
from ffcli.sweeping.spec.spec import METHODS, METRICS, parse_spec

NUMBERS = st.one_of(
    st.integers(-5, 300),
    st.integers(),
    st.floats(-1, 2),
    st.floats(),
    st.sampled_from([0, 1, 10**400, 1e308]),
)
WORDS = st.one_of(st.text(max_size=6), st.sampled_from(["adam", "nag", "relu", "1e-3", "128,64", "mnist"]))
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(PLAIN, inner, max_size=4)),
    max_leaves=8,
)


def mostly(*likely: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(*likely, ANYTHING)


PARAMETER = st.one_of(
    ANYTHING,
    st.fixed_dictionaries(
        {},
        optional={
            "distribution": mostly(st.sampled_from(list(DISTRIBUTIONS))),
            "value": ANYTHING,
            "values": mostly(st.lists(PLAIN, max_size=4)),
            "probabilities": mostly(st.lists(st.sampled_from([0, 0.5, 1]), max_size=3)),
            **dict.fromkeys(("min", "max", "mu", "sigma", "a", "b", "q"), mostly(NUMBERS)),
        },
    ),
    st.fixed_dictionaries(
        {"distribution": st.sampled_from(list(DISTRIBUTIONS))},
        optional=dict.fromkeys(("min", "max", "mu", "sigma", "a", "b", "q"), NUMBERS),
    ),
    st.fixed_dictionaries({"min": NUMBERS, "max": NUMBERS}),
    st.fixed_dictionaries({"values": st.lists(PLAIN, min_size=1, max_size=4)}),
)
FILE = st.fixed_dictionaries(
    {
        "method": st.sampled_from(METHODS),
        "parameters": mostly(
            st.dictionaries(st.sampled_from(list(FIELDS)), PARAMETER, min_size=1, max_size=2)
        ),
    },
    optional={
        "metric": mostly(
            st.fixed_dictionaries({"name": st.sampled_from(METRICS)}, optional={"target": NUMBERS})
        ),
        "early_terminate": mostly(
            st.fixed_dictionaries(
                {"type": st.just("hyperband")},
                optional=dict.fromkeys(("min_iter", "max_iter", "s", "eta", "strict"), mostly(NUMBERS)),
            )
        ),
        "command": ANYTHING,
        "run_cap": ANYTHING,
        "name": ANYTHING,
    },
)


SIZES = st.one_of(st.integers(1, 40), st.floats(0.001, 40), st.floats(0, exclude_min=True), st.integers(1))


@st.composite
def sound_parameters(draw: st.DrawFn) -> dict[str, object]:
    """Draw a parameter with the keys that its distribution takes, mostly."""
    name = draw(st.sampled_from(list(DISTRIBUTIONS)))
    if name in ("constant", "categorical", "categorical_w_probabilities"):
        values = draw(st.lists(st.one_of(SIZES, WORDS), min_size=1, max_size=4, unique_by=str))
        shares = [1 / len(values)] * len(values)
        keys = {"constant": {"value": values[0]}, "categorical": {"values": values}}
        return keys.get(name, {"values": values, "probabilities": shares})
    section: dict[str, object] = {"distribution": name}
    if "uniform" in name:
        numbers = st.integers(1, 300) if name == "int_uniform" else SIZES
        section["min"], section["max"] = sorted([draw(numbers), draw(numbers)])
    else:
        for key in ("mu", "sigma") if "normal" in name else ("a", "b"):
            if draw(st.booleans()):
                section[key] = draw(SIZES)
    if name.startswith("q_") and draw(st.booleans()):
        section["q"] = draw(SIZES)
    return section


def read_or_refuse(text: str) -> bool:
    """Read a text and use all it gives; return whether it was read."""
    try:
        spec = parse_spec(text)
    except RequestError:
        return False
    rng = np.random.default_rng(0)
    values = spec.sample(rng)
    assert set(values) == set(spec.parameters)
    assert set(values) == set(spec.document["parameters"])
    for parameter in spec.parameters.values():
        assert parameter.describe()
    if spec.size is not None:
        assert spec.combination(0).keys() == spec.combination(spec.size - 1).keys() == values.keys()
        spec.config(spec.combination(spec.size - 1))
        spec.config(values)
    if spec.early_terminate is not None:
        assert all(1 <= band <= 10 for band in spec.early_terminate.bands(10))
    assert parse_spec(spec.text) == spec
    return True


@settings(max_examples=400)
@given(
    st.sampled_from(METHODS),
    st.dictionaries(
        st.sampled_from(["learning_rate", "weight_decay", "seed", "batch_size", "momentum", "optimizer"]),
        sound_parameters(),
        min_size=1,
        max_size=2,
    ),
)
def test_parameters(method, parameters):
    document = {"method": method, "metric": {"name": "val_loss"}, "parameters": parameters}
    event("read" if read_or_refuse(yaml.safe_dump(document)) else "refused")


@settings(max_examples=200)
@given(FILE)
def test_structures(document):
    read_or_refuse(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


@given(ANYTHING)
def test_anything(document):
    read_or_refuse(yaml.safe_dump(document))


@given(st.text())
def test_text(text):
    read_or_refuse(text)


@given(st.text(alphabet="{}[]:,-&*!<> \n'\"abx1e.|?%@#\\", max_size=40))
def test_text_of_the_signs_that_yaml_is_made_of(text):
    read_or_refuse(text)
    read_or_refuse(f"method: random\nparameters:\n  epochs: {text}")
