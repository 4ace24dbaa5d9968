from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ffcli.core.backprop import Backpropagation
from ffcli.core.losses import LOSSES, log_softmax, softmax
from ffcli.core.network import Network

LOGITS = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(min_dims=1, max_dims=2, max_side=8),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


@given(LOGITS)
def test_softmax_sums_to_one_for_huge_logits(logits):
    kept = logits.copy()
    p = softmax(logits)
    assert p.dtype == logits.dtype
    assert np.all((p >= 0) & (p <= 1))
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(logits, kept)
    assert softmax(kept, kept) is kept
    np.testing.assert_array_equal(kept, p)


@given(LOGITS)
def test_log_softmax_is_finite_and_the_logarithm(logits):
    log_p = log_softmax(logits)
    assert np.isfinite(log_p).all()
    assert np.all(log_p <= 0)
    np.testing.assert_allclose(np.exp(log_p), softmax(logits), rtol=2e-5, atol=1e-30)


@given(order=st.permutations(range(9)), loss_name=st.sampled_from(list(LOSSES)), seed=st.integers(0, 50))
def test_permuting_a_batch_leaves_loss_and_gradient_unchanged(order, loss_name, seed):
    rng = np.random.default_rng(seed)
    network = Network([5, 4, 3], "tanh", dtype=np.float64)
    network.initialize("xavier", rng)
    loss = LOSSES[loss_name]()
    x, targets, logits = rng.normal(0, 1, (9, 5)), np.eye(3)[rng.integers(3, size=9)], np.empty((9, 3))
    ends = []
    for rows in (list(range(9)), order):
        backpropagation = Backpropagation(network, loss, 0.1)
        backpropagation(x[rows], targets[rows], logits)
        ends.append((loss.per_example(logits, targets[rows]).mean(), backpropagation.gradient))
    np.testing.assert_allclose(ends[0][0], ends[1][0], rtol=1e-13)
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-11, atol=1e-15)
