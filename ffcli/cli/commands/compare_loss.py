"""``ffnn compare-loss``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from rich.console import RenderableType
from rich.text import Text

from ffcli.cli.commands.resuming import resumed, watched
from ffcli.cli.commands.sweeps import fail_where_all_failed
from ffcli.cli.completion import complete_sweep_file
from ffcli.cli.context import context
from ffcli.cli.errors import FAILED
from ffcli.cli.help import OUTPUT, argument, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.params import Dpi, WandbEntity, WandbMode, WandbProject, figure_file, tracking
from ffcli.cli.parsing import Command
from ffcli.cli.pool import Cluster, Jobs, Workers, cluster_words, pool_options
from ffcli.cli.text import duration, number, plain
from ffcli.cli.values import integer
from ffcli.cli.views.tables import Columns, shown
from ffcli.util.text import counted

if TYPE_CHECKING:
    from ffcli.services.compare_loss.results import (
        ComparedPair,
        ComparisonSummary,
        LossComparison,
        MeasureComparison,
    )
    from ffcli.services.compare_loss.run import Comparison
    from ffcli.training.context import Context

app = typer.Typer(add_completion=False)

_COMPARISON = "Comparison"
_LOSSES = {"cross_entropy": "CE", "squared_error": "SE"}
_NAMES = {
    "test_acc": "test accuracy",
    "test_nll": "test NLL",
    "test_brier": "test Brier",
    "val_acc": "val accuracy",
    "val_nll": "val NLL",
    "val_brier": "val Brier",
    "epochs_to_80": "epochs to 80 %",
    "epochs_to_85": "epochs to 85 %",
}


class _CompareLoss(Command):
    other_names: ClassVar[Mapping[str, str]] = {"--count": "--runs"}  # as ``ffnn sweep`` calls it


@app.command(cls=_CompareLoss)
def compare_loss(
    ctx: typer.Context,
    *,
    spec: Annotated[
        str | None,
        argument(
            "FILE|SWEEP",
            "A sweep file, or a comparison to resume or show again.",
            default="sweeps/compare_loss.yaml",
            completes=complete_sweep_file,
        ),
    ] = None,
    runs: Annotated[
        str | None,
        option(
            "--runs N",
            _COMPARISON,
            "Total number of runs, two for each configuration.",
            default="those of the comparison that is resumed, the file's run_cap, or 50",
        ),
    ] = None,
    workers: Workers = None,
    cluster: Cluster = None,
    jobs: Jobs = None,
    file: Annotated[Path | None, figure_file("compare-loss.png")] = None,
    dpi: Dpi = None,
    csv_file: Annotated[
        Path | None, option("--csv FILE", OUTPUT, "Also write the table of pairs as CSV.")
    ] = None,
    resume: Annotated[
        bool, option("--resume", _COMPARISON, "Resume the last comparison of this FILE.")
    ] = False,
    new: Annotated[bool, option("--new", _COMPARISON, "Begin a new comparison of this FILE.")] = False,
    seed: Annotated[
        str | None, option("--seed INT", _COMPARISON, "Seed of the choice of configurations.", default=0)
    ] = None,
    wandb: WandbMode = None,
    wandb_project: WandbProject = None,
    wandb_entity: WandbEntity = None,
) -> None:
    """Train the same configurations with each loss and compare.

    Both networks of a pair start from the same weights and see the same batches. An
    interrupted comparison resumes where it stopped: ffnn compare-loss ID.
    """
    from ffcli.services.compare_loss.run import compare_loss as run
    from ffcli.services.compare_loss.run import log, reads
    from ffcli.services.outputs import check_figure, check_output, check_table
    from ffcli.services.sweeps.shipped import sweep_file

    out = Output.of(ctx)
    place = context(out)
    if resume and new:
        refuse("Expected --resume or --new, got both.")
    options = tracking(wandb, wandb_project, wandb_entity)
    pool = pool_options(workers, cluster, jobs)
    dots = integer("--dpi", dpi)
    source = sweep_file(spec or "compare_loss")
    read = reads(source) if source.exists() else []
    target = check_figure(place, file, dots, read) or check_output(place, "out", Path("compare-loss.png"))
    csv_target = check_table(place, csv_file, target, read)
    comparison = _comparison(
        out,
        place,
        spec,
        source,
        runs=integer("--runs", runs),
        seed=integer("--seed", seed) or 0,
        resume=resume,
        new=new,
    )
    resume_it = out.settings.command("compare-loss", comparison.sweep.id, *cluster_words(pool))
    with watched(out, resume_it) as watcher:
        document = run(
            place,
            comparison,
            watcher,
            pool=pool,
            out=target,
            dpi=dots,
            csv_file=csv_target,
            command_line=out.settings.command_line,
        )
    log(place, document, options)
    out.result(document, *_report(document))
    fail_where_all_failed(out, document, resume_it)
    if document.png is None:
        out.error("no configuration finished with both losses.")
        raise typer.Exit(FAILED)


def _comparison(
    out: Output,
    place: Context,
    spec: str | None,
    file: Path,
    *,
    runs: int | None,
    seed: int,
    resume: bool,
    new: bool,
) -> Comparison:
    """Return the comparison to resume, or a new one; ``file`` is what ``spec`` means."""
    from ffcli.services.compare_loss.run import PAIRED, begin, known
    from ffcli.services.sweeps.create import of_same_file

    if spec is not None and not file.exists():
        return known(place, spec, runs)
    same = None if new else of_same_file(place, file, PAIRED)
    earlier = resumed(out, place, "compare-loss", file, same, by="--resume" if resume else None, count=runs)
    return begin(place, file, runs, seed) if earlier is None else known(place, earlier, runs)


def _report(document: LossComparison) -> list[RenderableType]:
    """Return what is shown of a comparison."""
    summary = document.summary
    counts = ", ".join(f"{count} {state}" for state, count in vars(document.counts).items())
    parts: list[RenderableType] = [
        f"comparison {plain(document.sweep_id)}: {counts} in {duration(document.seconds)}",
        f"stored in {plain(str(document.path))}",
        "",
    ]
    if summary.pairs:
        parts += [_pairs(document.pairs), ""]
        if summary.few:
            parts.append(f"Too few pairs ({summary.pairs}) for a conclusion, whatever the intervals:")
        parts += [_measures(summary.measures), ""]
        parts += [_reached(summary, name) for name in ("epochs_to_80", "epochs_to_85")]
        parts.append(
            "CE: cross-entropy, SE: squared error. Lower is better for NLL (negative\n"
            "log-likelihood), Brier score and epochs. CE-SE: mean difference of the pairs\n"
            "with its interval (paired t); *: the interval excludes zero. median: median\n"
            "difference, which outliers move less. wins: number of pairs in which CE : SE\n"
            "is better. Epochs are compared over the pairs in which both reach the goal."
        )
    parts += [
        f"left out: pair {index}, {plain(pair.left_out)}"
        for index, pair in enumerate(document.pairs, start=1)
        if pair.left_out is not None
    ]
    parts += ["", Text(plain(summary.verdict))]
    if document.png is not None:
        parts.append(f"the learning curves: {plain(str(document.png))}")
    if document.csv is not None:
        parts.append(f"the table: {plain(str(document.csv))}")
    return parts


def _reached(summary: ComparisonSummary, name: str) -> str:
    found = summary.measures[name]
    reached = found.reached or {}
    each = ", ".join(f"{reached[loss]} with {short}" for loss, short in _LOSSES.items())
    of = counted(summary.pairs, "pair")
    return f"{_NAMES[name]}: reached by {each}, both in {found.pairs} of {of}"


def _pairs(pairs: Sequence[ComparedPair]) -> Columns:
    first = pairs[0].config
    varying = [name for name in first if any(pair.config[name] != first[name] for pair in pairs)]
    measures = {"test_acc": "acc", "test_nll": "NLL", "test_brier": "Brier"}
    heads = ["pair", *(f"{short} {loss}" for short in measures.values() for loss in _LOSSES.values())]
    rows = [
        [
            index,
            *(number(pair.value(loss, name)) for name in measures for loss in _LOSSES),
            _in_short(pair.config, varying),
        ]
        for index, pair in enumerate(pairs, start=1)
    ]
    return Columns([*heads, "config"], rows, right=heads)


def _in_short(config: Mapping[str, Any], varying: Sequence[str]) -> str:
    """Return what varies in a configuration, what tells most first."""
    values = {name: shown(config[name]) for name in varying}
    words = []
    if "hidden_size" in values:  # a list says itself how many layers there are
        layers = values.pop("num_layers", None)
        size = values.pop("hidden_size")
        words.append(size if layers is None or "," in size else f"{layers}×{size}")
    words += [values.pop(name) for name in ("activation", "optimizer", "weight_init") if name in values]
    return " ".join([*words, *(f"{name}={value}" for name, value in values.items())])


def _measures(measures: Mapping[str, MeasureComparison]) -> Columns:
    from ffcli.services.compare_loss.statistics import LEAST_PAIRS

    rows = []
    for name, found in measures.items():
        digits = 2 if name.startswith("epochs") else 4
        means = (found.cross_entropy, found.squared_error)
        low, high = _signed(found.low, digits), _signed(found.high, digits)
        rows.append(
            [
                _NAMES[name],
                *(number(mean, digits) for mean in means),
                _signed(found.difference, digits),
                "–" if found.low is None else f"{low} … {high}",
                "*" if found.significant and found.pairs >= LEAST_PAIRS else "",
                _signed(found.median_difference, digits),
                " : ".join(str(found.wins[loss]) for loss in _LOSSES),
            ]
        )
    heads = ["measure", *_LOSSES.values(), "CE-SE", "95 % interval", "", "median", "wins"]
    return Columns(heads, rows, right=heads[1:5] + heads[6:])


def _signed(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:+.{digits}f}"
