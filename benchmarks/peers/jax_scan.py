"""JAX: one compiled function an epoch, a ``scan`` over the shuffled batches with the gather inside."""

from __future__ import annotations

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.cases import BETA1, BETA2, EPSILON, Case
from benchmarks.data import Data

Params = list[tuple[Array, Array]]
State = tuple[Params, Params, Params, Array]  # weights, first and second moments, steps taken

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


def build(case: Case, seed: int) -> State:
    """Return Glorot-uniform weights, zero biases and the optimizer's empty state."""
    glorot = jax.nn.initializers.glorot_uniform()
    keys = jax.random.split(jax.random.key(seed), len(case.sizes) - 1)
    shapes = zip(case.sizes, case.sizes[1:], strict=False)
    params = [(glorot(key, shape), jnp.zeros(shape[1])) for key, shape in zip(keys, shapes, strict=True)]
    moments = params if case.optimizer == "adam" else []
    return params, jax.tree.map(jnp.zeros_like, moments), jax.tree.map(jnp.zeros_like, moments), jnp.zeros(())


def logits_of(case: Case, params: Params, x: Array) -> Array:
    for W, b in params[:-1]:
        x = ACTIVATIONS[case.activation](x @ W + b)
    W, b = params[-1]
    return x @ W + b


def loss_of(case: Case, params: Params, x: Array, y: Array) -> Array:
    log_p = jax.nn.log_softmax(logits_of(case, params, x))
    return -jnp.mean(jnp.sum(jax.nn.one_hot(y, log_p.shape[1]) * log_p, axis=1))


def update(case: Case, state: State, grads: Params) -> State:
    """Apply the optimizer; Adam by Keras's definition, in which ε is added to the uncorrected √v."""
    params, m, v, t = state
    if case.optimizer == "sgd":
        return jax.tree.map(lambda w, g: w - case.learning_rate * g, params, grads), m, v, t + 1
    t = t + 1
    rate = case.learning_rate * jnp.sqrt(1 - BETA2**t) / (1 - BETA1**t)
    m = jax.tree.map(lambda m, g: m + (1 - BETA1) * (g - m), m, grads)
    v = jax.tree.map(lambda v, g: v + (1 - BETA2) * (g * g - v), v, grads)
    params = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + EPSILON), params, m, v)
    return params, m, v, t


def epoch(case: Case, state: State, x: Array, y: Array, order: Array) -> State:
    """Train over ``x[order]`` once; the last short batch is a step of its own shape."""

    def step(state: State, batch: Array) -> tuple[State, None]:
        grads = jax.grad(partial(loss_of, case))(state[0], x[batch], y[batch])
        return update(case, state, grads), None

    whole = len(order) // case.batch_size * case.batch_size
    state, _ = jax.lax.scan(step, state, order[:whole].reshape(-1, case.batch_size))
    return step(state, order[whole:])[0] if whole < len(order) else state


def train_epochs(case: Case, data: Data, epochs: int, seed: int) -> tuple[list[float], float]:
    """Train as ``benchmarks.peers`` describes; compiling ahead is the warm-up."""
    rng = np.random.default_rng(seed)
    x, y = jnp.asarray(data.images("train")), jnp.asarray(data.labels("train"), jnp.int32)
    state = build(case, seed)
    order = jnp.arange(len(x), dtype=jnp.int32)
    compiled = jax.jit(partial(epoch, case), donate_argnums=0).lower(state, x, y, order).compile()

    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        order = jnp.asarray(rng.permutation(len(x)), jnp.int32)
        state = jax.block_until_ready(compiled(state, x, y, order))
        seconds.append(time.perf_counter() - start)

    predicted = np.asarray(logits_of(case, state[0], jnp.asarray(data.images("val"))).argmax(1))
    return seconds, float((predicted == data.labels("val")).mean())
