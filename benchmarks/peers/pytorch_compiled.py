"""PyTorch with ``torch.compile``: forward and backward pass, and the optimizer's step. Needs a C++ compiler.

``loss.backward()`` cannot be part of a compiled function, so the two are compiled apart, as PyTorch's
tutorials do.
"""

from __future__ import annotations

import os
import time

import torch
from torch import Tensor, nn

from benchmarks.cases import Case
from benchmarks.data import Data
from benchmarks.peers import WARM_UP_STEPS
from benchmarks.peers.pytorch import build, optimizer_of


def train_epochs(case: Case, data: Data, epochs: int, seed: int) -> tuple[list[float], float]:
    """Train as ``benchmarks.peers`` describes."""
    torch.manual_seed(seed)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    x, y = torch.from_numpy(data.images("train")), torch.from_numpy(data.labels("train"))
    model, loss_of = build(case), nn.CrossEntropyLoss()
    optimizer = optimizer_of(case, model, fused=None)

    @torch.compile(dynamic=False)
    def loss(images: Tensor, labels: Tensor) -> Tensor:
        return loss_of(model(images), labels)

    update = torch.compile(optimizer.step, dynamic=False)

    def run(order: Tensor) -> None:
        for batch in order.split(case.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss(x.index_select(0, batch), y.index_select(0, batch)).backward()
            update()

    # The warm-up trains the same network, since the compiled functions belong to it. It ends in a batch as
    # short as the epoch's last one, which is compiled for itself; so PyTorch trains some 1 % of an epoch
    # more.
    run(torch.randperm(len(x))[: WARM_UP_STEPS * case.batch_size + len(x) % case.batch_size])
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        run(torch.randperm(len(x)))
        seconds.append(time.perf_counter() - start)

    with torch.inference_mode():
        predicted = model(torch.from_numpy(data.images("val"))).argmax(1).numpy()
    return seconds, float((predicted == data.labels("val")).mean())
