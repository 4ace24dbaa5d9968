"""What each ingredient of the recipe ``best`` is worth: ``python -m benchmarks.ablation --seeds 1,2``.

Each ingredient is removed once and the rest left as it is. What is stored in ``docs/results/ablation`` is
not trained again, and the runs of ``docs/results/recipes`` count. ``--render`` shows the table of what is
there, ``--write`` puts it into ``docs/recipes.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import mean, stdev
from typing import Any

from benchmarks.measure import ROOT, MeasurementError
from benchmarks.recipe_runs import Results, Row, Variant, evaluate_all, percent, put_between, train_all
from benchmarks.recipes import DOCS, add_options, bench_of, overrides, read_options
from ffcli.config import TrainConfig, load_recipe

Settings = Mapping[str, Any]


def without(config: TrainConfig) -> dict[str, Settings]:
    """Return the settings that remove each ingredient that a configuration has."""
    shift = f"shift:{config.shift}" if config.shift else "none"
    ingredients: dict[str, Settings] = {
        "relu": {"activation": "relu"},
        "without dropout": {"dropout": 0.0},
        "without input dropout": {"input_dropout": 0.0},
        "without batch norm": {"batch_norm": False},
        "without label smoothing": {"label_smoothing": 0.0},
        "without flips": {"augment": shift if config.flip else config.augment},
        "without shifts": {"augment": "flip" if config.flip else "none"},
        "without flips and shifts": {"augment": "none"} if config.flip and config.shift else {},
        "without weight decay": {"weight_decay": 0.0},
        "without schedule": {"schedule": "constant"},
        "without warm-up": {"warmup_epochs": 0.0},
        "without clipping": {"clip_norm": 0.0},
        "without ema": {"ema": 0.0},
        "half the width": {"hidden_size": _half(config.hidden_size)},
        "half the epochs": {"epochs": max(1, config.epochs // 2)},
    }
    return {
        name: settings
        for name, settings in ingredients.items()
        if any(getattr(config, key) != value for key, value in settings.items())
    }


def _half(size: int | tuple[int, ...]) -> int:
    return max(1, (size if isinstance(size, int) else size[0]) // 2)


def variants(recipe: str, changed: Settings) -> list[Variant]:
    """Return the recipe, and it without each of its ingredients."""
    whole = Variant(recipe, recipe, changed)
    removed = without(whole.config(0))
    return [whole, *(Variant(name, recipe, {**changed, **removed[name]}) for name in removed)]


def accuracy(row: Row, part: str) -> float | None:
    """Return the accuracy of a run in percent, with ``--tta`` where the run has augmentation."""
    averaged = percent(row[f"{part}_acc_tta"])
    return percent(row[f"{part}_acc"]) if averaged is None else averaged


def table(results: Results, recipe: str) -> str:
    """Return what each ingredient is worth as a Markdown table: differences of runs with the same seed.

    The time is the processor's, which tells variants apart on a machine that does other things too.
    """
    whole = {row["seed"]: row for row in results.of(recipe)}
    lines = [
        "| | validation | difference | test | difference | processor time |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for name, rows in _groups(results, whole, recipe):
        cells = [cell for part in ("val", "test") for cell in _cells(rows, whole, part)]
        seconds = mean(float(row["cpu_seconds"]) for row in rows)
        title = f"`{name}`" if name == recipe else name
        lines.append(f"| {title} | {' | '.join(cells)} | {seconds:,.0f} s |")
    if any(row["test_acc_tta"] for row in whole.values()):
        cells = [cell for part in ("val", "test") for cell in _cells_without_tta(list(whole.values()), part)]
        lines.append(f"| without `--tta` | {' | '.join(cells)} | |")
    return "\n".join(lines)


def _groups(results: Results, whole: Mapping[str, Row], recipe: str) -> list[tuple[str, list[Row]]]:
    """Return the runs of each variant: the recipe's own first, then what costs most to do without."""
    groups: dict[str, list[Row]] = {}
    for row in results.rows:
        if row["seed"] in whole:
            groups.setdefault(row["variant"], []).append(row)

    def loss(rows: Sequence[Row]) -> float:
        pairs = ((accuracy(row, "val"), accuracy(whole[row["seed"]], "val")) for row in rows)
        return mean((value or 0.0) - (other or 0.0) for value, other in pairs)

    return sorted(groups.items(), key=lambda group: (group[0] != recipe, loss(group[1])))


def _cells(rows: Sequence[Row], whole: Mapping[str, Row], part: str) -> tuple[str, str]:
    """Return the mean over the seeds, and the mean of the differences with its standard error."""
    values = [accuracy(row, part) for row in rows]
    against = [accuracy(whole[row["seed"]], part) for row in rows]
    mean_, difference = _shown(values, against)
    return mean_, "" if all(row is whole[row["seed"]] for row in rows) else difference


def _cells_without_tta(rows: Sequence[Row], part: str) -> tuple[str, str]:
    return _shown([percent(row[f"{part}_acc"]) for row in rows], [accuracy(row, part) for row in rows])


def _shown(values: Sequence[float | None], against: Sequence[float | None]) -> tuple[str, str]:
    pairs = [
        (value, other) for value, other in zip(values, against) if value is not None and other is not None
    ]
    if len(pairs) < len(values):
        return "–", "–"
    differences = [value - other for value, other in pairs]
    return (
        f"{mean(value for value, _ in pairs):.2f}",
        f"{mean(differences):+.2f}{_standard_error(differences)}",
    )


def _standard_error(values: Sequence[float]) -> str:
    return f" ± {stdev(values) / sqrt(len(values)):.2f}" if len(values) > 1 else ""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--recipe", default="best")
    parser.add_argument("--variants", help="only these, by the names of the table, with commas")
    add_options(parser, "ablation")
    parser.set_defaults(seeds=[1, 2])
    return read_options(parser, arguments)


def main(arguments: list[str] | None = None) -> int:
    """Train and evaluate what is missing, and show the table. Returns the exit code."""
    options = parse(arguments)
    results = Results(options.out)
    recipe = load_recipe(options.recipe).name
    if not options.render and not options.write:
        chosen = variants(recipe, overrides(options))
        if options.variants is not None:
            names = [name.strip() for name in options.variants.split(",")]
            known = {variant.name: variant for variant in chosen}
            if missing := [name for name in names if name not in known]:
                print(f"{missing[0]} is none of: {', '.join(known)}", file=sys.stderr)
                return 2
            chosen = [known[name] for name in names]
        jobs = [(variant, seed) for seed in options.seeds for variant in chosen]
        bench = bench_of(options)
        try:
            train_all(bench, results, jobs, [Results(ROOT / "docs" / "results" / "recipes")])
            if not options.no_test:
                evaluate_all(bench, results, jobs)
        except MeasurementError as error:
            print(error, file=sys.stderr)
            return 1
    shown = table(results, recipe)
    print(shown)
    if options.write:
        put_between(DOCS, "ablation", shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
