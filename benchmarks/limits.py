"""What this machine can do at best, and the time a training step cannot go below.

The model of a step with batches of B, whose weight matrices have Σ entries in all and S₁ in the first layer:

- products: 2·B·(3Σ - S₁) floating-point operations. Each layer multiplies three times (forward, for its
  weights' gradient, for its input's gradient), but the first needs no gradient of its input. They run at the
  rate of the best large square product.
- the optimizer's traffic: each parameter's vectors cross the memory once. Adam reads w, g, m, v and writes
  w, m, v: 28 bytes a parameter in float32. SGD reads w, g and writes w: 12 bytes. They move at the best rate
  of a copy or an addition over as much memory as those vectors take: a small network's fit in the cache.

The floor is their sum: on the cores given, the one waits for the other. Activations, biases, the loss and the
gather of the batch are taken to cost nothing, so no step can reach it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.cases import Case

VECTORS = {"adam": 4, "sgd": 2}  # float32 vectors as long as the parameters: w, g and the optimizer's state
TRAFFIC = {"adam": 7, "sgd": 3}  # times that one of them is read or written


def best_seconds(action: Callable[[], object], budget: float) -> float:
    """Return the shortest time of ``action`` within ``budget`` seconds, and at least three calls."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < budget:
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def peak_flops(sizes: tuple[int, ...] = (512, 1024, 2048), budget: float = 0.4) -> float:
    """Return the float32 operations a second of the best square product of some sizes."""
    best = 0.0
    for n in sizes:
        a, b = np.ones((n, n), np.float32), np.ones((n, n), np.float32)
        product = np.empty_like(a)
        seconds = best_seconds(lambda a=a, b=b, out=product: np.matmul(a, b, out=out), budget)  # type: ignore[misc]
        best = max(best, 2 * n**3 / seconds)
    return best


def bandwidth(footprint: int, budget: float = 0.1) -> float:
    """Return the bytes a second of the best copy or addition over vectors of ``footprint`` bytes in all.

    Bytes read and bytes written are counted; that a write may fetch the line first is not.
    """
    best = 0.0
    for vectors, traffic in ((2, 2), (2, 3), (3, 3)):
        n = max(1, footprint // (4 * vectors))
        x = [np.ones(n, np.float32) for _ in range(vectors)]
        if traffic == 2:
            seconds = best_seconds(lambda x=x: np.copyto(x[0], x[1]), budget)  # type: ignore[misc]
        else:
            seconds = best_seconds(lambda x=x: np.add(x[0], x[1], out=x[-1]), budget)  # type: ignore[misc]
        best = max(best, 4 * n * traffic / seconds)
    return best


def parameters(case: Case) -> int:
    """Return the number of weights and biases."""
    return sum((inputs + 1) * outputs for inputs, outputs in zip(case.sizes, case.sizes[1:], strict=False))


def flops(case: Case) -> int:
    """Return the floating-point operations of one step's matrix products."""
    weights = [inputs * outputs for inputs, outputs in zip(case.sizes, case.sizes[1:], strict=False)]
    return 2 * case.batch_size * (3 * sum(weights) - weights[0])


def traffic_bytes(case: Case) -> int:
    """Return the bytes that the optimizer of one step reads and writes at least."""
    return 4 * TRAFFIC[case.optimizer] * parameters(case)


def footprint_bytes(case: Case) -> int:
    """Return the memory of the vectors that the optimizer works on."""
    return 4 * VECTORS[case.optimizer] * parameters(case)
