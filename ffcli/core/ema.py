"""A moving average of the weights, which often predicts better than the last ones."""

from __future__ import annotations

from ffcli.core.buffers import Array
from ffcli.core.network import Network
from ffcli.core.rules import bind


class WeightAverage:
    """The exponential moving average a ← d a + (1 - d) w of a network's whole state, as a network of its own.

    Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30,
    1992, in its exponential form. While the steps t are few d is min(decay, (1 + t) / (10 + t)), as in
    TensorFlow's ExponentialMovingAverage, so that the initial weights are soon forgotten.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.decay = decay
        self.network = Network(
            network.layer_sizes, network.activation_name, network.dtype, batch_norm=network.batch_norm
        )
        self.network.state[...] = network.state
        self._follow = bind(self.rule, [self.network.state], [network.state])

    def update(self, steps: int) -> None:
        """Follow the network after its step number ``steps``, from 1."""
        self._follow(1 - min(self.decay, (1 + steps) / (10 + steps)))

    @staticmethod
    def rule(a: Array, w: Array, rate: float) -> Array:
        return a + (w - a) * rate
