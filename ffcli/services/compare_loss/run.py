"""``ffnn compare-loss``: the same configurations trained with cross-entropy and with squared error."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from ffcli.errors import RequestError
from ffcli.execution.open import PoolOptions
from ffcli.plotting.style import as_png, save_figure, save_file
from ffcli.services.compare_loss.figure import draw, native_charts
from ffcli.services.compare_loss.pairs import evaluated_pairs
from ffcli.services.compare_loss.results import LossComparison
from ffcli.services.compare_loss.statistics import LOSSES, summarise
from ffcli.services.compare_loss.table import table_csv
from ffcli.services.sweeps.create import create, read_sweep
from ffcli.services.sweeps.epochs import epochs_of
from ffcli.services.sweeps.find import find_sweep
from ffcli.services.sweeps.local import SweepOptions, run_sweep
from ffcli.sweeping.spec.spec import SweepSpec, load_spec
from ffcli.sweeping.study.events import OnEvent
from ffcli.sweeping.study.record import Sweep
from ffcli.tracking.base import Additions
from ffcli.training.attaching import log_alone
from ffcli.training.context import Context
from ffcli.training.options import RunOptions
from ffcli.util.text import counted

PAIRED = "loss"  # the field whose values are compared
RUNS = 50


@dataclass(frozen=True)
class Comparison:
    """A sweep whose runs are paired by the loss, and how many runs it is to have in all."""

    sweep: Sweep
    runs: int


def reads(file: Path) -> list[str | Path]:
    """Return what a comparison over the space of a sweep file reads: the file, and its datasets."""
    dataset = load_spec(file).parameters.get("dataset")
    return [file, *(dataset.values() if dataset is not None else [])]


def begin(context: Context, file: Path, runs: int | None, seed: int) -> Comparison:
    """Store a new comparison over the space of a sweep file. Raises RequestError for what is unfit in it."""
    spec = load_spec(file)
    _check(spec, file)
    total = _runs(runs, spec, spec.run_cap or RUNS)
    return Comparison(create(context, file, seed, PAIRED, count=total), total)


def known(context: Context, word: str, runs: int | None) -> Comparison:
    """Return the comparison with this id, to ``runs`` in all or to as many as were asked for last.

    Raises RequestError where there is none, or where the sweep of this id compares nothing.
    """
    sweep_id = find_sweep(context, word, or_file=True)
    study = read_sweep(context, sweep_id)
    sweep = study.sweep
    if sweep.paired != PAIRED:
        raise RequestError(
            f"Sweep {sweep_id} does not compare losses: its runs are not paired.",
            hint="ffnn compare-loss FILE begins a comparison.",
        )
    return Comparison(sweep, _runs(runs, sweep.spec, study.count or sweep.spec.run_cap or RUNS))


def compare_loss(
    context: Context,
    comparison: Comparison,
    on_event: OnEvent,
    *,
    pool: PoolOptions,
    out: Path,
    dpi: int | None = None,
    csv_file: Path | None = None,
    command_line: tuple[str, ...] = (),
) -> LossComparison:
    """Train what is missing, evaluate all networks, draw ``out``, and return the comparison.

    The table of the pairs goes to ``csv_file`` where one is given.
    Raises KeyboardInterrupt and FfnnError as `run_sweep`.
    """
    sweep = comparison.sweep
    options = SweepOptions(count=comparison.runs, pool=pool, command_line=command_line)
    trained = run_sweep(context, sweep, options, on_event)
    curves: dict[int, list[float]] = defaultdict(list)
    trials = read_sweep(context, sweep.id).trials
    for epoch in epochs_of(context, trials):
        curves[epoch.number].append(epoch.result.val_acc)
    networks = counted(trained.counts.finished, "network")
    context.notify(f"evaluating {networks} on the validation and the test images")
    pairs = evaluated_pairs(context, trials, curves)
    whole = [pair for pair in pairs if pair.left_out is None]
    if whole:
        save_figure(draw(whole), out, dpi)
    if csv_file is not None:
        save_file(csv_file, table_csv(pairs))
    return LossComparison(
        sweep_id=sweep.id,
        path=trained.path,
        counts=trained.counts,
        ended=trained.ended,
        message=trained.message,
        seconds=trained.seconds,
        pairs=pairs,
        summary=summarise(pairs),
        png=out if whole else None,
        csv=csv_file,
    )


def log(context: Context, comparison: LossComparison, options: RunOptions) -> None:
    """Make a W&B run of a comparison's figure, charts and differences, where ``options`` ask for it."""
    if comparison.png is None:
        return
    values = {}
    for name, found in comparison.summary.measures.items():
        for key in (*LOSSES, "difference", "low", "high"):
            if (value := getattr(found, key)) is not None:
                values[f"{name}/{key}"] = value
    whole = [pair for pair in comparison.pairs if pair.left_out is None]
    with as_png(comparison.png, lambda: draw(whole)) as picture:
        log_alone(
            context,
            options,
            name=f"compare-loss {comparison.sweep_id}",
            job_type="compare-loss",
            additions=Additions(
                values=values,
                images={"learning curves": picture},
                charts=native_charts(comparison.pairs),
            ),
            again=f"ffnn compare-loss {comparison.sweep_id} with the same options",
        )


def _check(spec: SweepSpec, file: Path) -> None:
    """Refuse a file whose runs could not be compared in pairs."""
    wanted = f"values: [{', '.join(LOSSES)}]"
    if "loss" not in spec.space:
        raise RequestError(
            f"{file}: parameters.loss is missing: compare-loss trains each configuration with both.",
            hint=f"Add to the parameters: loss: {{{wanted}}}",
        )
    choices = spec.parameters["loss"].choices
    if set(choices) != set(LOSSES):
        raise RequestError(f"{file}: parameters.loss must be {wanted}, got {', '.join(choices)}.")
    if spec.method == "bayes":
        raise RequestError(
            f"{file}: method must be random or grid for compare-loss, got bayes.",
            hint="A search would choose the configurations by how well one of the losses does with them.",
        )
    if spec.run_cap is not None and spec.run_cap < len(LOSSES):
        raise RequestError(f"{file}: run_cap must be an integer ≥ 2 for compare-loss, got {spec.run_cap}.")
    if spec.early_terminate is not None:
        raise RequestError(f"{file}: early_terminate cannot be used with compare-loss: both runs must end.")
    if spec.metric is not None and spec.metric.target is not None:
        raise RequestError(f"{file}: metric.target cannot be used with compare-loss: both runs must end.")


def _runs(asked: int | None, spec: SweepSpec, default: int) -> int:
    """Return how many runs a comparison has in all: an even number, within the file's run_cap."""
    if asked is None:
        return max(default - default % len(LOSSES), len(LOSSES))
    if asked < len(LOSSES) or asked % len(LOSSES):
        raise RequestError(
            f"must be an even number ≥ 2, got {asked}: each configuration is trained with both losses",
            parameter="runs",
        )
    if spec.run_cap is not None and asked > spec.run_cap:
        raise RequestError(
            f"must be at most the file's run_cap, {spec.run_cap}, got {asked}", parameter="runs"
        )
    return asked
