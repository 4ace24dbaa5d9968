"""The first two steps of each optimizer, worked by hand.

One parameter starts at w₀ = 1 and meets two gradients. The numbers are chosen so that every root comes out
rational; each line of working can be checked with pencil and paper against the paper named in the optimizer's
docstring. With β₂ = 0.96: √(1 - β₂) = √0.04 = 0.2 and √(1 - β₂²) = √0.0784 = 0.28.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ffcli.core.optimizers import OPTIMIZERS

F = Fraction

ADAM = {"learning_rate": 0.1, "beta1": 0.5, "beta2": 0.96, "epsilon": 0.25}

# name: (hyper-parameters, gradients, w₁ and w₂)
GOLDEN: dict[str, tuple[dict[str, float], tuple[float, float], tuple[F, F]]] = {
    # w₁ = 1 - 0.1·2 = 0.8; w₂ = 0.8 - 0.1·1 = 0.7
    "sgd": ({"learning_rate": 0.1}, (2, 1), (F("0.8"), F("0.7"))),
    # u₁ = -0.2, w₁ = 0.8; u₂ = 0.5·(-0.2) - 0.1 = -0.2, w₂ = 0.6
    "momentum": ({"learning_rate": 0.1, "momentum": 0.5}, (2, 1), (F("0.8"), F("0.6"))),
    # u₁ = -0.2, w₁ = 1 + 0.5·(-0.2) - 0.2 = 0.7; u₂ = -0.1 - 0.1 = -0.2, w₂ = 0.7 - 0.1 - 0.1 = 0.5
    "nesterov": ({"learning_rate": 0.1, "momentum": 0.5}, (2, 1), (F("0.7"), F("0.5"))),
    # v₁ = 0.25·4 = 1, √(1 + 0.44) = 1.2, w₁ = 1 - 0.2/1.2 = 5/6;
    # v₂ = 0.75·1 + 0.25·1 = 1, √1.44 = 1.2, w₂ = 5/6 - 0.1/1.2 = 5/6 - 1/12 = 3/4
    "rmsprop": ({"learning_rate": 0.1, "beta": 0.75, "epsilon": 0.44}, (2, 1), (F(5, 6), F(3, 4))),
    # m₁ = 2.5, v₁ = 0.04·25 = 1; rate 0.1·0.2/0.5 = 0.04; w₁ = 1 - 0.04·2.5/(1 + 0.25) = 0.92;
    # m₂ = 1.25 + 0.5 = 1.75, v₂ = 0.96 + 0.04 = 1; rate 0.1·0.28/0.75 = 14/375;
    # w₂ = 0.92 - 14/375·1.75/1.25 = 1725/1875 - 98/1875 = 1627/1875
    "adam": (ADAM, (5, 1), (F("0.92"), F(1627, 1875))),
    # without decay, Adam's own
    "adamw": (ADAM, (5, 1), (F("0.92"), F(1627, 1875))),
    # μ₁ = 0.5·(1 - 0.48) = 0.26, μ₂ = 0.5·(1 - 0.4608) = 0.2696, μ₃ = 0.5·(1 - 0.442368) = 0.278816;
    # Π₁ = 0.26, Π₂ = 0.070096, Π₃ = 0.019543886336; m₁ = 2.5, m₂ = 1.75 and v₁ = v₂ = 1 as for adam.
    # Step 1: √v̂ = √(1/0.04) = 5; m̂ = 0.2696·2.5/0.929904 + 0.74·5/0.74 = 0.674/0.929904 + 5.
    # Step 2: √v̂ = √(1/0.0784) = 25/7; 25/7 + 1/4 = 107/28;
    # m̂ = 0.278816·1.75/0.980456113664 + 0.7304·1/0.929904 = 0.487928/0.980456113664 + 0.7304/0.929904.
    "nadam": (
        ADAM,
        (5, 1),
        (
            1 - F("0.1") * (F("0.674") / F("0.929904") + 5) / F("5.25"),
            1
            - F("0.1") * (F("0.674") / F("0.929904") + 5) / F("5.25")
            - F("0.1") * (F("0.487928") / F("0.980456113664") + F("0.7304") / F("0.929904")) * F(28, 107),
        ),
    ),
}


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_first_two_steps_are_as_worked_by_hand(name):
    if name not in GOLDEN:
        pytest.fail(
            f"the optimizer '{name}' has no hand-worked numbers: work two steps and add them to GOLDEN"
        )
    settings, gradients, expected = GOLDEN[name]
    params, gradient = np.ones(1), np.zeros(1)
    optimizer = OPTIMIZERS[name](params, gradient, **settings)
    for value, w in zip(gradients, expected):
        gradient[:] = value
        optimizer.step()
        assert params[0] == pytest.approx(float(w), rel=1e-14)


def test_the_table_names_only_what_is_registered():
    assert set(GOLDEN) <= set(OPTIMIZERS)


def test_adamw_decays_the_weights_alone_before_adams_step():
    params, gradient = np.ones(2), np.zeros(2)
    optimizer = OPTIMIZERS["adamw"](params, gradient, **ADAM)
    optimizer.decay(params[:1], 0.5)
    gradient[:] = 5
    optimizer.step()
    # Adam's step is -0.08 (above), before it the first parameter alone shrinks by 0.1·0.5 = 0.05
    np.testing.assert_allclose(params, [0.95 - 0.08, 0.92], rtol=1e-14)
    gradient[:] = 1
    optimizer.step()
    # 0.87·0.95 = 0.8265 and Adam's second step, 98/1875
    np.testing.assert_allclose(params, [0.8265 - 98 / 1875, 0.92 - 98 / 1875], rtol=1e-14)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "adamw"])
def test_other_optimizers_refuse_to_decay(name):
    optimizer = OPTIMIZERS[name](np.ones(1), np.zeros(1))
    with pytest.raises(NotImplementedError, match=f"(?i)^{name} takes weight decay by the gradient$"):
        optimizer.decay(np.ones(1), 0.1)
    assert not optimizer.decouples_weight_decay
    assert OPTIMIZERS["adamw"].decouples_weight_decay


# How far the first step goes by the defaults (Keras', and those of ``ffnn train``), and where ε shows:
# name: (gradient, distance) …
BY_DEFAULT: dict[str, list[tuple[float, float]]] = {
    "sgd": [(3, 0.03)],
    "momentum": [(3, 0.03)],
    "nesterov": [(3, 0.03 * 1.9)],
    # v = g²/10; of g² = 1e-6 it is 1e-7 = ε, and 1e-6/√2e-7 = √5 · 1e-3
    "rmsprop": [(3e3, 0.001 * 10**0.5), (1e-3, 0.001 * 5**0.5)],
    # m/(1 - β₁) = g and √v = |g| √0.001; where that is 1e-7 = ε the step is half as long
    "adam": [(3e3, 0.001), (1e-7 / 0.001**0.5, 0.0005)],
    "adamw": [(3e3, 0.001), (1e-7 / 0.001**0.5, 0.0005)],
    # μ₁ = 0.9·0.52 = 0.468, μ₂ = 0.9·0.5392 = 0.48528, Π₂ = 0.22711104: m̂ = (0.048528/0.77288896 + 1) g
    "nadam": [(3e3, 0.001 * (1 + 48528 / 772888.96)), (1e-7, 0.0005 * (1 + 48528 / 772888.96))],
}


@pytest.mark.parametrize("name", list(BY_DEFAULT))
def test_first_step_by_the_defaults_is_as_worked_by_hand(name):
    for gradient, distance in BY_DEFAULT[name]:
        params = np.zeros(1)
        OPTIMIZERS[name](params, np.array([float(gradient)])).step()
        assert params[0] == pytest.approx(-distance, rel=1e-6)


def test_decay_by_default_is_none():
    params = np.array([5.0])
    optimizer = OPTIMIZERS["adamw"](params, np.zeros(1))
    optimizer.step()
    assert params[0] == 5
