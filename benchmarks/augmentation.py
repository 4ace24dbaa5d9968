"""What augmentation adds to a training step: ``python -m benchmarks.augmentation``.

A step of a 2×512 relu network with adam and batch 128, and the flips and shifts of a batch, are timed in turn
in one process, on one core and by processor time, so that a slow spell of the machine hits both.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from statistics import median

from benchmarks.pinning import pin

KINDS = ("flip", "shift:1", "shift:2", "flip,shift:1")
BATCH, BLOCK = 128, 512  # images a step; images changed at a time in training
TARGET = 0.10  # of a step


def measure(rounds: int) -> tuple[float, dict[str, float]]:
    """Return the median seconds of a step, and by kind the median share of it that a batch's changes take."""
    import numpy as np

    from ffcli.config import TrainConfig
    from ffcli.core.augmentation import Augmentation
    from ffcli.core.backprop import Backpropagation
    from ffcli.core.losses import LOSSES
    from ffcli.core.network import Network
    from ffcli.core.optimizers import OPTIMIZERS

    rng = np.random.default_rng(0)
    network = Network([784, 512, 512, 10], "relu")
    network.initialize("xavier", rng)
    backpropagation = Backpropagation(network, LOSSES["cross_entropy"]())
    optimizer = OPTIMIZERS["adam"](network.params, backpropagation.gradient)
    x = rng.random((BATCH, 784), dtype=np.float32)
    targets, logits = (
        np.eye(10, dtype=np.float32)[rng.integers(10, size=BATCH)],
        np.empty((BATCH, 10), np.float32),
    )
    pixels = rng.integers(0, 256, (BLOCK, 784)).astype(np.uint8)
    configs = {kind: TrainConfig(augment=kind) for kind in KINDS}
    changes = {
        kind: Augmentation((28, 28), flip=config.flip, shift=config.shift) for kind, config in configs.items()
    }

    def step() -> None:
        backpropagation(x, targets, logits)
        optimizer.step()

    def change(kind: str) -> Callable[[], None]:
        return lambda: changes[kind](pixels, rng)

    steps: list[float] = []
    shares: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        steps.append(_seconds(step, 20))
        for kind in KINDS:
            shares[kind].append(_seconds(change(kind), 5) * BATCH / BLOCK / steps[-1])
    return median(steps), {kind: median(each) for kind, each in shares.items()}


def _seconds(function: Callable[[], None], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - started) / times


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the table. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args(arguments)
    pin(1)
    step, shares = measure(options.rounds)
    print(f"a step of 2×512, batch {BATCH}: {step * 1e3:.2f} ms\n")
    print("| augment | of a step |\n| --- | --: |")
    for kind, share in shares.items():
        print(f"| `{kind}` | {share:.1%} |")
    worst = max(shares.values())
    print(f"\nat most {worst:.1%} (the target is {TARGET:.0%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
