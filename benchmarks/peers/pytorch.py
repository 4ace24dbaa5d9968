"""PyTorch, eager: tensors in memory, no DataLoader, no compilation, the optimizer as it is by default."""

from __future__ import annotations

import os
import time

import torch
from torch import Tensor, nn

from benchmarks.cases import BETA1, BETA2, EPSILON, Case
from benchmarks.data import Data
from benchmarks.peers import WARM_UP_STEPS

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def build(case: Case) -> nn.Sequential:
    """Return the case's network, Glorot-uniform weights and zero biases."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(case.sizes, case.sizes[1:], strict=False):
        linear = nn.Linear(inputs, outputs)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, ACTIVATIONS[case.activation]()]
    return nn.Sequential(*layers[:-1])  # the last layer gives logits


def optimizer_of(case: Case, model: nn.Module, fused: bool | None) -> torch.optim.Optimizer:
    """Return the case's optimizer; ``fused=None`` leaves the choice of implementation to PyTorch."""
    if case.optimizer == "adam":
        return torch.optim.Adam(
            model.parameters(), case.learning_rate, betas=(BETA1, BETA2), eps=EPSILON, fused=fused
        )
    return torch.optim.SGD(model.parameters(), case.learning_rate, fused=fused)


def train_epochs(
    case: Case, data: Data, epochs: int, seed: int, fused: bool | None = None
) -> tuple[list[float], float]:
    """Train as ``benchmarks.peers`` describes."""
    torch.manual_seed(seed)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    x, y = torch.from_numpy(data.images("train")), torch.from_numpy(data.labels("train"))
    loss_of = nn.CrossEntropyLoss()

    def run(model: nn.Module, optimizer: torch.optim.Optimizer, order: Tensor) -> None:
        for batch in order.split(case.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss_of(model(x.index_select(0, batch)), y.index_select(0, batch)).backward()
            optimizer.step()

    spare = build(case)
    run(spare, optimizer_of(case, spare, fused), torch.randperm(len(x))[: WARM_UP_STEPS * case.batch_size])

    model = build(case)
    optimizer = optimizer_of(case, model, fused)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        run(model, optimizer, torch.randperm(len(x)))
        seconds.append(time.perf_counter() - start)

    with torch.inference_mode():
        predicted = model(torch.from_numpy(data.images("val"))).argmax(1).numpy()
    return seconds, float((predicted == data.labels("val")).mean())
