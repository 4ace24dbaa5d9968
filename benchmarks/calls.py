"""What NumPy's own calls take of a step at least: ``python -m benchmarks.calls``.

For each case the matrix products of a step, and ffnn's optimizer, alone: no activation, bias, loss, gather or
shuffle. On one core no step in NumPy takes less than its products by NumPy's BLAS, whoever writes it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.cases import CASES, Case
from benchmarks.pinning import pin

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[int, int]


def shapes(case: Case) -> list[tuple[Shape, Shape, bool, bool]]:
    """Return the factors of each product as they lie in memory, and whether they are transposed."""
    found = []
    for index, (inputs, outputs) in enumerate(zip(case.sizes, case.sizes[1:], strict=False)):
        h, weights, delta = (case.batch_size, inputs), (inputs, outputs), (case.batch_size, outputs)
        found.append((h, weights, False, False))
        found.append((h, delta, True, False))
        if index:  # the images need no gradient
            found.append((delta, weights, False, True))
    return found


def products(case: Case) -> Callable[[], None]:
    """Return what multiplies all matrices of a step, into memory of its own."""
    import numpy as np

    rng = np.random.default_rng(0)

    def matrix(shape: Shape, transposed: bool) -> np.ndarray:
        values = rng.random(shape, dtype=np.float32)
        return values.T if transposed else values

    factors = [(matrix(a, a_T), matrix(b, b_T)) for a, b, a_T, b_T in shapes(case)]
    calls = [(a, b, np.empty((a.shape[0], b.shape[1]), np.float32)) for a, b in factors]

    def multiply() -> None:
        for a, b, out in calls:
            np.dot(a, b, out)

    return multiply


def optimizer(case: Case) -> Callable[[], None]:
    """Return the step of ffnn's optimizer over as many parameters."""
    import numpy as np

    from benchmarks.limits import parameters
    from ffcli.core.buffers import aligned_zeros
    from ffcli.core.optimizers import OPTIMIZERS

    w, g = (aligned_zeros(parameters(case), np.float32) for _ in range(2))
    g[...] = 1.0
    return OPTIMIZERS[case.optimizer](w, g, learning_rate=case.learning_rate).step


def main(arguments: list[str] | None = None) -> int:
    """Measure on one core and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="time spent on each figure (default: 2)")
    options = parser.parse_args(arguments)
    pin(1)
    from benchmarks import machine
    from benchmarks.limits import best_seconds

    about = machine.describe()
    print(f"{about['cpu']}, 1 core\n")
    print("| case | products µs | optimizer µs | together µs |")
    print("| --- | --: | --: | --: |")
    for case in CASES.values():
        taken = [best_seconds(make(case), options.seconds) * 1e6 for make in (products, optimizer)]
        cells = " | ".join(f"{value:,.0f}" for value in (*taken, sum(taken)))
        print(f"| {case.name}: {case.title} | {cells} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
