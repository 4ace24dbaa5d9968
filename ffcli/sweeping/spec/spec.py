"""Reading a sweep: from a file in YAML or JSON, a script, a notebook, or a mapping."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ffcli.config import FIELDS, NAMES
from ffcli.errors import RequestError, UnknownNameError
from ffcli.runs.metric import METRICS, Metric, is_loss, metric_name, names_no_images
from ffcli.sweeping.spec.document import Section, parse, read_sweep
from ffcli.sweeping.spec.hyperband import Hyperband, read_hyperband
from ffcli.sweeping.spec.leaves import Leaves, read_leaves
from ffcli.sweeping.spec.model import SweepSpec as SweepSpec  # noqa: PLC0414
from ffcli.sweeping.spec.quantized import Steps
from ffcli.sweeping.spec.scripts import SUFFIXES, read_script
from ffcli.sweeping.spec.space import Parameter, read_space
from ffcli.util.safe_read import shown
from ffcli.util.text import are, counted

METHODS = ("bayes", "random", "grid")
_TEXTS = ("name", "project", "entity", "description", "program")
# What W&B knows and has no effect here: its servers, its launcher, its repair of missing values.
IDLE = ("apiVersion", "kind", "controller", "job", "image_uri", "launch", "scheduler")
_MOST_COMBINATIONS = 10_000  # of the values on which the effect of others depends
_GOALS = {"maximise": "maximize", "max": "maximize", "minimise": "minimize", "min": "minimize"}
_IDLE_OF_METRIC = ("impute", "impute_while_running")
KEYS = ("method", "metric", "parameters", "early_terminate", "run_cap", "command", *_TEXTS, *IDLE, "metrics")
"""The keys of a sweep file that W&B knows."""


def load_spec(
    source: Path | Mapping[str, Any],
    *,
    choose: str | None = None,
    ignore: Collection[str] = (),
    called: str | None = None,
) -> SweepSpec:
    """Read a sweep from a file, or from the mapping that ``wandb.sweep`` takes.

    ``choose`` names one of several sweeps of a script or notebook; the parameters in ``ignore`` are left out.
    Messages name the sweep as it is ``called``, by default by its path.
    Raises RequestError that names the file, the path in it and what is expected there.
    """
    return parse_spec(sweep_text(source, choose=choose, ignore=ignore), called or _called(source))


def sweep_text(
    source: Path | Mapping[str, Any], *, choose: str | None = None, ignore: Collection[str] = ()
) -> str:
    """Return the text by which a sweep is stored: the file's, or that of the mapping in YAML."""
    if isinstance(source, Mapping):
        document = dict(source)
    elif source.suffix.lower() in SUFFIXES:
        document = read_script(source, choose)
    else:
        text = read_sweep(source)
        if not ignore:
            return text
        document = parse(text, str(source))
    document = _without(document, ignore, _called(source))
    try:
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, RecursionError):
        raise RequestError(
            f"{_called(source)}: expected words, numbers, lists and dicts only, got another object in it."
        ) from None


def _called(source: Path | Mapping[str, Any]) -> str:
    return "the sweep" if isinstance(source, Mapping) else str(source)


def _without(document: dict[str, Any], names: Collection[str], source: str) -> dict[str, Any]:
    """Return a copy without the parameters of these names, which are paths such as optimizer.lr in groups."""
    if not names:
        return document
    document, _ = unwrapped(document)
    parameters = document.get("parameters")
    for name in names:
        parameters = _removed(parameters, name.split("."))
        if parameters is None:
            there = [str(key) for key in document.get("parameters") or {}]
            raise UnknownNameError("parameter of the sweep", name, there, place=f"{source}: ")
    return {**document, "parameters": parameters}


def _removed(parameters: Any, path: list[str]) -> dict[str, Any] | None:
    """Return parameters without the one at a path, nor a group left empty; None where there is none."""
    if not isinstance(parameters, dict) or path[0] not in parameters:
        return None
    rest = {key: value for key, value in parameters.items() if key != path[0]}
    if len(path) == 1:
        return rest
    group = parameters[path[0]]
    inner = _removed(group.get("parameters") if isinstance(group, dict) else None, path[1:])
    if inner is None:
        return None
    kept = {path[0]: {**group, "parameters": inner}} if inner else {}
    return {key: kept.get(key, value) for key, value in parameters.items() if key != path[0] or kept}


def unwrapped(document: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the sweep of a document that holds it under a key such as ``sweep``, and the key."""
    if "parameters" in document:
        return document, None
    inside = [key for key, value in document.items() if isinstance(value, dict) and "parameters" in value]
    others = {key: value for key, value in document.items() if key not in inside}
    if len(inside) != 1 or not others.keys() <= set(KEYS):
        return document, None
    return {**others, **document[inside[0]]}, str(inside[0])


def parse_spec(text: str, source: str = "the sweep file") -> SweepSpec:
    """Read the text of a sweep file, which errors call ``source``. Raises RequestError as `load_spec`."""
    document, wrapper = unwrapped(parse(text, source))
    top = Section(document, "" if wrapper is None else wrapper, source)
    top.only(KEYS, "a sweep file")
    if "metrics" in top:
        top.refuse("a sweep here has one goal; give metric with its name and goal", "metrics")
    top.need("method", f"one of {', '.join(METHODS)}")
    if top.values["method"] == "custom":
        top.refuse(
            f"the search of another program cannot be run here; give one of {', '.join(METHODS)}", "method"
        )
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
    parameters = top.section("parameters")
    leaves = read_leaves(parameters)
    space = read_space(parameters, leaves.by_field, grid=method == "grid")
    spec = SweepSpec(
        text=text,
        document=_registered(top, metric, space),
        method=method,
        space=space,
        metric=metric,
        early_terminate=hyperband,
        run_cap=top.integer("run_cap", least=1) if "run_cap" in top else None,
        command=_command(top),
        left_out=leaves.left_out,
        **{key: top.text(key) for key in _TEXTS},  # type: ignore[arg-type]
    )
    _bound(spec, parameters)
    told = (*_taken(top, wrapper, leaves), *notices, *_surprises(spec))
    return replace(spec, notices=told)


def _bound(spec: SweepSpec, parameters: Section) -> None:
    """Refuse a space whose distinct trainings would take long to count, each time one is proposed."""
    names, combinations = spec.distinct.governing
    if spec.distinct.combinations is not None and combinations > _MOST_COMBINATIONS:
        parameters.refuse(
            f"{' and '.join(names)} have {combinations} combinations; expected at most {_MOST_COMBINATIONS}, "
            "since other parameters have an effect with some of them only",
            hint="List fewer values, or search one of them in a sweep of its own.",
        )


def _metric(top: Section) -> Metric | None:
    if "metric" not in top:
        return None
    section = top.section("metric")
    section.only(("name", "goal", "target", *_IDLE_OF_METRIC), "metric")
    section.need("name", f"one of {', '.join(METRICS)}")
    goal: Any = section.one_of("goal", ("minimize", "maximize"), "minimize", spelled=_GOALS)
    target = float(section.number("target")) if "target" in section else None
    name = metric_name(section.text("name") or "", f"{section.place('name')}: ")
    return Metric(name, goal, target)


def _command(top: Section) -> tuple[str, ...] | None:
    if "command" not in top:
        return None
    words = top.items("command")
    for index, word in enumerate(words):
        if not isinstance(word, (str, int, float)):
            top.refuse(f"expected text or a number, got {shown(word)}", f"command[{index}]")
        option = str(word).partition("=")[0]
        if option.startswith("--") and (field := NAMES.field(option[2:])) is not None:
            top.refuse(
                f"{option} would be ignored, for the command itself is not run here; "
                f"give parameters.{field}: {{value: …}}",
                f"command[{index}]",
            )
    return tuple(map(str, words))


def _registered(top: Section, metric: Metric | None, space: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the document that W&B is told, with the names and values under which runs are logged."""
    document = dict(top.values)
    if metric is not None:
        document["metric"] = {**document["metric"], "name": metric.name, "goal": metric.goal}
    document["parameters"] = {name: dict(parameter.document) for name, parameter in space.items()}
    return document


def _taken(top: Section, wrapper: str | None, leaves: Leaves) -> Iterator[str]:
    """Say in one line what was translated, left out, or has no effect here."""
    said = [f"the sweep is read from the key '{wrapper}'"] if wrapper is not None else []
    translated = [f"{path} as {field}" for path, field in leaves.translated().items()]
    metric = top.values.get("metric") or {}
    name = metric.get("name")
    if name is not None and (known := metric_name(name)) != name:
        translated.append(f"metric {name} as {known}" + " (of the validation images)" * names_no_images(name))
    if translated:
        said.append(f"read {', '.join(translated)}")
    if leaves.left_out:
        said.append(f"leave out {', '.join(leaves.left_out)}, which no hyper-parameter resembles")
    idle = [key for key in IDLE if key in top]
    idle += [f"metric.{key}" for key in _IDLE_OF_METRIC if key in metric]
    if idle:
        said.append(f"{', '.join(idle)} {'has' if len(idle) == 1 else 'have'} no effect here")
    command = " ".join(map(str, top.values.get("command") or []))
    not_run = ["program"] * ("program" in top and "ffnn" not in command)
    not_run += ["command"] * bool(command and "ffnn" not in command)
    if not_run:
        said.append(f"{' and '.join(not_run)} {are(len(not_run))} not run, for ffnn itself trains")
    if said:
        yield f"{top.source}: {'; '.join(said)}."


def _surprises(spec: SweepSpec) -> Iterator[str]:
    metric = spec.metric
    if metric is not None and (metric.goal == "minimize") != is_loss(metric.name):
        other = "minimize" if metric.goal == "maximize" else "maximize"
        yield f"metric.goal is {metric.goal} (the default is minimize), but one would {other} {metric.name}."
    for parameter in spec.space.values():
        yield from _about(parameter, spec.method)
    combinations, size = spec.distinct.combinations, spec.size
    if combinations != size:
        many, few = counted(combinations or 0, "combination"), counted(size or 0, "distinct training")
        why = [
            f"{name} has no effect with {governor}"
            for name, governor in spec.distinct.without_effect().items()
        ]
        yield f"{many} are {few}, each of which is run once: {'; '.join(why)}."
    if spec.early_terminate is not None and not _prunes(spec.early_terminate, spec.space):
        yield "early_terminate: no run is long enough to be pruned, for no band lies before the last epoch."


def _about(parameter: Parameter, method: str) -> Iterator[str]:
    distribution, place = parameter.distribution, f"parameters.{parameter.key}"
    if parameter.repeated:
        times = "once, though it is listed more often" if method == "grid" else "as often as it is listed"
        yield f"{place}: each value, under any of its names, is tried {times}."
    if distribution.kind == "q_uniform" and isinstance(distribution, Steps):
        yield f"{place}: a grid walks {distribution.describe()}, short of max, as W&B's does."
    if distribution.kind == "log_uniform" and (distribution.low or 0) > 1:
        yield (
            f"{place}: log_uniform takes the logarithms of the bounds and gives "
            f"{distribution.describe()}; log_uniform_values takes the bounds themselves."
        )


def _prunes(hyperband: Hyperband, space: Mapping[str, Parameter]) -> bool:
    """Whether a band lies before the last epoch of the longest run."""
    epochs = space.get("epochs")
    longest = FIELDS["epochs"].default
    if epochs is not None:
        longest = max((*epochs.distribution.choices, epochs.distribution.high or 0))
    return any(band < longest for band in hyperband.bands(int(longest)))
