"""PyTorch, eager, with the optimizer's fused kernel: one call for all parameters."""

from __future__ import annotations

from functools import partial

from benchmarks.peers import pytorch

train_epochs = partial(pytorch.train_epochs, fused=True)
