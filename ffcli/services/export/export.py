"""``ffnn export``: a stored network as a file for other programs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ffcli.errors import FfnnError, RequestError, UnknownNameError
from ffcli.plotting.style import save_file
from ffcli.services.evaluation.best import RunChoice, best_with_weights
from ffcli.services.export.keras_format import keras_bytes
from ffcli.services.export.model import Model, described
from ffcli.services.export.npz_format import npz_bytes
from ffcli.services.export.onnx_format import onnx_bytes
from ffcli.services.outputs import check_output
from ffcli.services.runs.select import load_run
from ffcli.training.context import Context

FORMATS: dict[str, Callable[[Model], bytes]] = {"onnx": onnx_bytes, "keras": keras_bytes, "npz": npz_bytes}
_PACKAGES = {"onnx": "onnx", "keras": "keras"}  # also the names of the extras


@dataclass(frozen=True)
class Export:
    """A network written for other programs."""

    run_id: str
    format: str
    """onnx, keras or npz."""
    path: Path


def export(
    context: Context, choice: RunChoice, *, format: str | None = None, out: Path | None = None
) -> Export:
    """Write the network of a run, or of the best one, to ``out`` (by default RUN.FORMAT).

    Without ``format`` the ending of ``out`` decides, else it is onnx. Raises RequestError where no run is
    chosen, for an unknown format, an ending of another, or a package that is not installed; FfnnError where
    the run has no weights, or a network that the format cannot hold; and errors as `best_with_weights` does.
    """
    if choice.run is None and not choice.best:
        raise RequestError(
            "Expected either a run or the best one, got neither.", hint="ffnn runs list shows the runs."
        )
    name = _format(format, out)
    if out is not None:
        out = check_output(context, "out", out, f".{name}")
    _require(name)
    run = choice.run if choice.run is not None else best_with_weights(context, choice)
    model = described(load_run(run, context.runs_dir))
    path = out or check_output(context, "out", Path(f"{model.run_id}.{name}"))
    save_file(path, FORMATS[name](model))
    return Export(model.run_id, name, path)


def _format(format: str | None, out: Path | None) -> str:
    if format is not None:
        if format.lower() not in FORMATS:
            raise UnknownNameError("format", format, list(FORMATS), parameter="format")
        return format.lower()
    if out is None:
        return "onnx"
    name = out.suffix.lower().removeprefix(".")
    if name not in FORMATS:
        endings = ", ".join(f".{each}" for each in FORMATS)
        raise RequestError(f"must end in one of {endings}, got {out}", parameter="out")
    return name


def _require(format: str) -> None:
    module = _PACKAGES.get(format)
    if module is not None and importlib.util.find_spec(module) is None:
        raise FfnnError(
            f"The format {format} needs the package {module}, which is not installed.",
            hint=f"Install it with pip install 'ffnn[{format}]'; the format npz needs no package.",
        )
