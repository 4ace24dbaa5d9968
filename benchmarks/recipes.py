"""What each recipe reaches: ``python -m benchmarks.recipes --seeds 1,2,3`` trains and evaluates on one core.

``--render`` shows the tables of what is stored in ``docs/results/recipes``; ``--write`` puts them into
``docs/recipes.md`` and the README, and the figures into the recipes' own files, which
``ffnn train --recipe list`` shows.

``--ensemble accurate:1,2,3+fast:1,2,3`` evaluates runs together, by their seeds; ``--ensemble best:folds=6``
those of ``ffnn train --recipe best --folds 6``.
The times are the processor's, which other work on the machine does not lengthen; an ensemble's is the sum.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.measure import ROOT, MeasurementError
from benchmarks.recipe_runs import (
    Bench,
    Results,
    Row,
    Variant,
    default_core,
    evaluate_all,
    percent,
    put_between,
    read_csv,
    train_all,
    write_csv,
)
from benchmarks.sweep_command import Folders
from ffcli.config import TrainConfig, all_recipes, load_recipe
from ffcli.config.recipes import recipe_names
from ffcli.util.atomic_files import write_atomic

ENSEMBLE_COLUMNS = ("members", "runs", "val_acc", "val_acc_tta", "test_acc", "test_acc_tta", "seconds")
DOCS = ROOT / "docs" / "recipes.md"
README = ROOT / "README.md"


def add_options(parser: argparse.ArgumentParser, out: str) -> None:
    """Add the options of every script that trains recipes."""
    parser.add_argument("--seeds", type=_numbers, default=[1, 2, 3], help="1,2,3")
    parser.add_argument("--core", type=int, default=default_core(), help="the core to pin the runs to")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="for a first look")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / out)
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data")
    parser.add_argument("--runs-dir", type=Path, default=ROOT / "benchmarks" / "results" / "runs")
    parser.add_argument("--no-test", action="store_true", help="train, and leave the test images alone")
    parser.add_argument("--render", action="store_true", help="show the stored results, train nothing")
    parser.add_argument("--write", action="store_true", help="put the stored results where they are shown")


def read_options(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line. A first look must not take the place of stored results."""
    options = parser.parse_args(arguments)
    if options.set and options.out == parser.get_default("out"):
        parser.error("--set changes the recipe: name another folder with --out")
    return options


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def overrides(options: argparse.Namespace) -> dict[str, Any]:
    """Return what ``--set`` says."""
    return dict(word.split("=", 1) for word in options.set)


def bench_of(options: argparse.Namespace) -> Bench:
    """Return where the runs go."""
    return Bench(Folders(options.data_dir, options.runs_dir), options.core)


def evaluate_ensemble(bench: Bench, results: Results, members: str) -> None:
    """Evaluate an ensemble such as ``accurate:1,2+fast:1`` and store its row. Raises MeasurementError."""
    rows = [_trained(results, variant.name, seed) for variant, seed in ensemble_jobs(members)]
    if not all(bench.has_weights(row["run_id"]) for row in rows):
        raise MeasurementError(f"--ensemble {members}: not all of its networks are in {bench.folders.runs}")
    ids = [row["run_id"] for row in rows]
    plain = bench.ffnn("evaluate", *ids, "--ensemble")
    averaged = bench.ffnn("evaluate", *ids, "--ensemble", "--tta")
    row = {
        "members": members,
        "runs": len(ids),
        "val_acc": plain["val_acc"],
        "val_acc_tta": averaged["val_acc"],
        "test_acc": plain["accuracy"],
        "test_acc_tta": averaged["accuracy"],
        "seconds": round(sum(float(row["cpu_seconds"]) for row in rows), 2),
    }
    path = results.folder / "ensembles.csv"
    others = [other for other in read_csv(path) if other["members"] != members]
    write_csv(path, ENSEMBLE_COLUMNS, [*others, row])


def ensemble_jobs(text: str, settings: Mapping[str, Any] | None = None) -> list[tuple[Variant, int]]:
    """Read ``accurate:1,2+fast:1``, or ``best:folds=6`` for a run on each fold, with changed ``settings``."""
    jobs: list[tuple[Variant, int]] = []
    for part in text.split("+"):
        name, _, which = part.partition(":")
        kind, _, count = which.partition("=")
        if kind == "folds":
            folds = [f"{fold}/{count}" for fold in range(1, int(count) + 1)]
            seed = TrainConfig().seed
            jobs += [
                (Variant(f"{name}, fold {fold}", name, {**(settings or {}), "fold": fold}), seed)
                for fold in folds
            ]
        else:
            jobs += [(Variant(name, name, settings or {}), seed) for seed in _numbers(which)]
    return jobs


def _trained(results: Results, name: str, seed: int) -> Row:
    row = results.find(name, seed)
    if row is None:
        raise MeasurementError(f"there is no run of {name} with seed {seed}")
    return row


def spread(rows: Sequence[Row], column: str) -> str:
    """Return the mean of a column in percent with its standard deviation, a dash where it is empty."""
    values = [value for row in rows if (value := percent(row[column])) is not None]
    if not values or len(values) < len(rows):
        return "–"
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def table(results: Results) -> str:
    """Return the recipes as a Markdown table, the quickest first, and mark those of other settings."""
    lines = [
        "| recipe | seeds | epochs | validation | with `--tta` | test | with `--tta` | time |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
    ]
    names = [name for name in dict.fromkeys(row["variant"] for row in results.rows) if name in recipe_names()]
    found = [(name, *results.current(Variant(name, name))) for name in names]
    for name, rows, is_current in sorted(found, key=lambda each: _seconds(each[1])):
        title = f"`{name}`" if is_current else f"`{name}`, other settings"
        seeds = ", ".join(sorted((row["seed"] for row in rows), key=int))
        figures = [spread(rows, column) for column in ("val_acc", "val_acc_tta", "test_acc", "test_acc_tta")]
        lines.append(
            f"| {title} | {seeds} | {rows[0]['epochs']} | {' | '.join(figures)} | {_seconds(rows):,.0f} s |"
        )
    return "\n".join(lines)


def _seconds(rows: Sequence[Row]) -> float:
    return mean(float(row["cpu_seconds"]) for row in rows)


def ensemble_table(results: Results) -> str:
    """Return the ensembles as a Markdown table, or nothing where there are none."""
    rows = read_csv(results.folder / "ensembles.csv")
    lines = [
        "| ensemble | runs | validation | with `--tta` | test | with `--tta` | time |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for row in rows:
        figures = [spread([row], column) for column in ("val_acc", "val_acc_tta", "test_acc", "test_acc_tta")]
        lines.append(
            f"| {row['members']} | {row['runs']} | {' | '.join(figures)} | {float(row['seconds']):,.0f} s |"
        )
    return "\n".join(lines) if rows else ""


def measured(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what a recipe's file says of the runs of it."""
    found: dict[str, Any] = {"seeds": len(rows)}
    for column in ("val_acc", "val_acc_tta", "test_acc", "test_acc_tta"):
        cells = [float(row[column]) for row in rows if row[column]]
        found[column] = round(mean(cells), 4) if len(cells) == len(rows) else None
        if column == "test_acc":
            several = len(cells) == len(rows) > 1
            found["test_acc_std"] = round(stdev(cells), 4) if several else None
    found["seconds"] = round(_seconds(rows))
    return found


def write_measured(path: Path, figures: dict[str, Any]) -> None:
    """Put figures into the line ``measured: {…}`` of a recipe's file."""
    words = ", ".join(f"{name}: {'null' if value is None else value}" for name, value in figures.items())
    text, count = re.subn(r"(?m)^  measured: \{.*\}$", f"  measured: {{{words}}}", path.read_text("utf-8"))
    if count != 1:
        raise ValueError(f"{path} has no line 'measured: {{…}}'")
    write_atomic(path, text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument(
        "--recipes", default=",".join(recipe.name for recipe in all_recipes()), help="plain,fast,…"
    )
    parser.add_argument("--ensemble", action="append", default=[], metavar="NAME:SEEDS+NAME:folds=K")
    add_options(parser, "recipes")
    return read_options(parser, arguments)


def main(arguments: list[str] | None = None) -> int:
    """Train and evaluate what is missing, and show the tables. Returns the exit code."""
    options = parse(arguments)
    results = Results(options.out)
    if not options.render and not options.write:
        variants = [
            Variant(load_recipe(name).name, name, overrides(options)) for name in options.recipes.split(",")
        ]
        jobs = [(variant, seed) for seed in options.seeds for variant in variants]
        for members in options.ensemble:
            jobs += [job for job in ensemble_jobs(members, overrides(options)) if job not in jobs]
        bench = bench_of(options)
        try:
            train_all(bench, results, jobs)
            if not options.no_test:
                evaluate_all(bench, results, jobs)
                for members in options.ensemble:
                    evaluate_ensemble(bench, results, members)
        except MeasurementError as error:
            print(error, file=sys.stderr)
            return 1
    tables = "\n\n".join(filter(None, [table(results), ensemble_table(results)]))
    print(tables)
    if options.write:
        for page in (DOCS, README):
            put_between(page, "recipes", tables)
        for name in recipe_names():
            rows, is_current = results.current(Variant(name, name))
            if rows and is_current:
                write_measured(load_recipe(name).path, measured(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
