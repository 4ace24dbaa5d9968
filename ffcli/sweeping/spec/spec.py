"""SweepSpec: an ordinary W&B sweep file, read with W&B's meaning and checked before anything runs.

https://docs.wandb.ai/models/sweeps/sweep-config-keys
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ffcli.config import TrainConfig, field_name, merge, validate
from ffcli.runs.metric import METRICS, Metric
from ffcli.sweeping.spec.distributions import Distribution
from ffcli.sweeping.spec.document import Section, parse, read_text
from ffcli.sweeping.spec.hyperband import Hyperband, read_hyperband
from ffcli.sweeping.spec.quantized import Steps
from ffcli.sweeping.spec.space import Parameter, read_space

METHODS = ("bayes", "random", "grid")
KEYS = (
    "method",
    "metric",
    "parameters",
    "early_terminate",
    "run_cap",
    "name",
    "project",
    "entity",
    "description",
    "program",
    "command",
)


@dataclass(frozen=True)
class SweepSpec:
    """A sweep file. ``document`` is the file as data and ``text`` as it stands, to be stored and read again.

    ``space`` holds the searched parameters by TrainConfig's field names, in the file's order. A combination
    is a mapping from these names to canonical values. ``notices`` tell what may surprise, in whole sentences.
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
    notices: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, Distribution]:
        """The distribution of each searched parameter."""
        return {name: parameter.distribution for name, parameter in self.space.items()}

    @property
    def size(self) -> int | None:
        """The number of combinations, None where there are infinitely many."""
        sizes = [distribution.size for distribution in self.parameters.values()]
        return prod(size for size in sizes if size is not None) if None not in sizes else None

    def most_trials(self, count: int | None = None) -> int | None:
        """Return how many trials a sweep has in all: the least of count, run_cap and size; None: no end."""
        return min((limit for limit in (count, self.run_cap, self.size) if limit is not None), default=None)

    def combination(self, index: int) -> dict[str, Any]:
        """Return a combination of a finite space, 0 ≤ index < size.

        In the order of W&B's grid search: the parameters sorted by the file's names for them, the last
        changing fastest. Raises IndexError outside.
        """
        if self.size is None or not 0 <= index < self.size:
            raise IndexError(
                f"there are {self.size or 'infinitely many'} combinations, and {index} is none of them"
            )
        drawn = {}
        for name in sorted(self.space, key=lambda name: self.space[name].key, reverse=True):
            distribution = self.space[name].distribution
            index, position = divmod(index, distribution.size or 1)
            drawn[name] = distribution.value(position)
        return {name: drawn[name] for name in self.space}

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Yield all combinations of a finite space, in the order of `combination`."""
        return map(self.combination, range(self.size or 0))

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draw a combination, each parameter by its own distribution."""
        return {name: distribution.sample(rng) for name, distribution in self.parameters.items()}

    def config(self, values: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> TrainConfig:
        """Return the configuration of a run: values, under any of the fields' names, over a base.

        Raises RequestError for a value that the fields refuse: a rare draw of an unbounded distribution.
        """
        return validate(merge(base or {}, values))

    def as_given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a combination under the file's own names and words, as W&B knows it."""
        return {self.space[name].key: self.space[name].as_given(value) for name, value in values.items()}


def load_spec(path: Path) -> SweepSpec:
    """Read a sweep file. Raises RequestError that names the file, the place and what is allowed there."""
    return parse_spec(read_text(path), str(path))


def parse_spec(text: str, source: str = "the sweep file") -> SweepSpec:
    """Read the text of a sweep file, which errors call ``source``. Raises RequestError as `load_spec`."""
    document = parse(text, source)
    top = Section(document, "", source)
    top.only(KEYS, "a sweep file")
    top.need("method", f"one of {', '.join(METHODS)}")
    method = top.one_of("method", METHODS)
    metric = _metric(top)
    if metric is None:
        for key, reason in (("early_terminate", "early_terminate"), ("method", "method bayes")):
            if key in top and (key != "method" or method == "bayes"):
                top.refuse(f"metric is missing: {reason} needs one, of {', '.join(METRICS)}")
    top.need("parameters", "they span what is searched")
    hyperband, notices = None, list[str]()
    if "early_terminate" in top:
        hyperband, notices = read_hyperband(top.section("early_terminate"))
    space = read_space(top.section("parameters"), grid=method == "grid")
    return SweepSpec(
        text=text,
        document=document,
        method=method,
        space=space,
        metric=metric,
        early_terminate=hyperband,
        run_cap=top.integer("run_cap", least=1) if "run_cap" in top else None,
        **{key: top.text(key) for key in ("name", "project", "entity", "description", "program")},
        command=_command(top),
        notices=(*notices, *_surprises(metric, space)),
    )


def _metric(top: Section) -> Metric | None:
    if "metric" not in top:
        return None
    section = top.section("metric")
    section.only(("name", "goal", "target"), "metric")
    section.need("name", f"one of {', '.join(METRICS)}")
    goal: Any = section.one_of("goal", ("minimize", "maximize"), "minimize")
    target = float(section.number("target")) if "target" in section else None
    return Metric(section.one_of("name", METRICS), goal, target)


def _command(top: Section) -> tuple[str, ...] | None:
    if "command" not in top:
        return None
    words = top.items("command")
    for index, word in enumerate(words):
        if not isinstance(word, str):
            top.refuse(f"{word!r} is not allowed; give text", f"command[{index}]")
        option = word.partition("=")[0]
        if option.startswith("--") and (field := field_name(option[2:])) is not None:
            top.refuse(
                f"{option} would be ignored, for the command itself is not run here; "
                f"give parameters.{field}: {{value: …}}",
                f"command[{index}]",
            )
    return tuple(words)


def _surprises(metric: Metric | None, space: Mapping[str, Parameter]) -> Iterator[str]:
    if metric is not None and (metric.goal == "minimize") != metric.name.endswith("loss"):
        other = "minimize" if metric.goal == "maximize" else "maximize"
        yield f"metric.goal is {metric.goal} (the default is minimize), but one would {other} {metric.name}."
    for parameter in space.values():
        distribution = parameter.distribution
        if distribution.kind == "q_uniform" and isinstance(distribution, Steps):
            yield (
                f"parameters.{parameter.key}: a grid walks {distribution.describe()}, "
                "short of max, as W&B's does."
            )
        if distribution.kind == "log_uniform" and (distribution.low or 0) > 1:
            yield (
                f"parameters.{parameter.key}: log_uniform takes the logarithms of the bounds and gives "
                f"{distribution.describe()}; log_uniform_values takes the bounds themselves."
            )
