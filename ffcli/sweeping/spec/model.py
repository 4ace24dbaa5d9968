"""SweepSpec: an ordinary W&B sweep file, read with W&B's meaning and checked before anything runs.

https://docs.wandb.ai/models/sweeps/sweep-config-keys
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ffcli.config import TrainConfig, merge, validate
from ffcli.runs.metric import Metric
from ffcli.sweeping.spec.distinct import Distinct
from ffcli.sweeping.spec.distributions import Categorical, Distribution
from ffcli.sweeping.spec.hyperband import Hyperband
from ffcli.sweeping.spec.space import Parameter


@dataclass(frozen=True)
class SweepSpec:
    """A sweep file. ``text`` is the file as it stands, to be stored and read again.

    ``document`` is what W&B is told: the file as data, with the names and values under which runs are logged.
    ``space`` holds the searched parameters by TrainConfig's field names, in the file's order. A combination
    is a mapping from these names to canonical values. ``left_out`` are the paths of parameters that mean
    nothing here, ``notices`` tell what may surprise, in whole sentences.
    """

    text: str
    document: Mapping[str, Any] = field(repr=False)
    method: str
    space: Mapping[str, Parameter]
    metric: Metric | None = None
    early_terminate: Hyperband | None = None
    run_cap: int | None = None
    name: str | None = None
    project: str | None = None
    entity: str | None = None
    description: str | None = None
    program: str | None = None
    command: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, Distribution]:
        """The distribution of each searched parameter."""
        return {name: parameter.distribution for name, parameter in self.space.items()}

    @cached_property
    def distinct(self) -> Distinct:
        """The distinct trainings among the combinations."""
        return Distinct(self.parameters)

    @property
    def size(self) -> int | None:
        """The number of distinct trainings, None where there are infinitely many."""
        return self.distinct.size

    def most_trials(self, count: int | None = None) -> int | None:
        """Return how many trials a sweep has in all: the least of count, run_cap and size; None: no end."""
        return min((limit for limit in (count, self.run_cap, self.size) if limit is not None), default=None)

    def combination(self, index: int) -> dict[str, Any]:
        """Return a distinct training of a finite space, as `Distinct.combination`."""
        return self.distinct.combination(index)

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Yield all distinct trainings of a finite space, in the order of `combination`."""
        return map(self.combination, range(self.size or 0))

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draw a combination, each parameter by its own distribution, in the form of `Distinct.effective`."""
        drawn = {name: distribution.sample(rng) for name, distribution in self.parameters.items()}
        return self.distinct.effective(drawn)

    def config(self, values: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> TrainConfig:
        """Return the configuration of a run: values by any names of their fields, or the file's, over a base.

        Groups such as {optimizer: {name: adam, lr: 0.1}} are flattened. Raises RequestError for a value
        that the fields refuse: a rare draw of an unbounded distribution.
        """
        names = {parameter.key: name for name, parameter in self.space.items()}
        flat = {names.get(path, path): value for path, value in _flat(values) if path not in self.left_out}
        return validate(merge(base or {}, flat))

    def with_fixed(self, values: Mapping[str, Any]) -> SweepSpec:
        """Return the part of the space in which some parameters have these values."""
        space = dict(self.space)
        for name, value in values.items():
            space[name] = replace(space[name], distribution=Categorical(kind="constant", choices=(value,)))
        return replace(self, space=space)


def _flat(values: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{group}.{key}" if group else key
        if isinstance(value, Mapping):
            yield from _flat(value, path)
        else:
            yield path, value
