"""The answers to the assignment's questions, with their figures: ``python -m benchmarks.answers``.

Runs the commands of docs/assignment.md, puts what they print into its blocks, their figures into docs/images
and their tables into docs/results. Fashion-MNIST and MNIST must be stored (``ffnn download fashion_mnist mnist``);
the figures of the report need Chromium with its driver, and Selenium (``pip install '.[test]'``).

Where the 500-run sweep comes from, one of:

    --sweep-count 500         trains it, and everything else, from nothing: hours
    --folder DIR --sweep ID   takes a sweep of DIR/runs
    (neither)                 makes its list of trials again from docs/results/bayes-500.csv, in about four
                              minutes; its best networks are trained again with the same seed

The 50 runs of the loss comparison take about ten minutes on one core; --comparison ID takes those of
DIR/runs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.answers_sweep import rebuild
from benchmarks.measure import ROOT, MeasurementError
from benchmarks.training import at_least_one

PAGE = ROOT / "docs" / "assignment.md"
IMAGES, RESULTS = ROOT / "docs" / "images", ROOT / "docs" / "results"
IMAGE = 60001  # the first test image
# The block that follows such a line of the page is what a command printed.
_BLOCK = r"(^<!-- answer: {name} -->\n```\n).*?(^```$)"


class Answers:
    """Runs commands in a folder and keeps what comes of them; ``text`` is that of the page."""

    def __init__(self, folder: Path, data: Path, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self.text = PAGE.read_text("utf-8")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FFNN_")},
            "FFNN_DATA_DIR": str(data.resolve()),
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "WANDB_MODE": "disabled",
        }

    def run(self, *words: object) -> str:
        """Run ``ffnn`` in the folder and return what it printed. Raises MeasurementError where it fails."""
        command = [sys.executable, "-m", "ffcli", *map(str, words)]
        print("ffnn", *words, file=sys.stderr)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise MeasurementError(f"ffnn {' '.join(map(str, words))} ended with {done.returncode}")
        return done.stdout

    def document(self, *words: object) -> Any:
        """Run ``ffnn`` with ``--json`` and return the document."""
        return json.loads(self.run(*words, "--json"))

    def show(
        self, name: str, *words: object, cut: Callable[[str], str] = str, quiet: tuple[object, ...] = ()
    ) -> None:
        """Put a command and what it prints into the page's block of this name.

        ``quiet`` are options that the reader does not need, ``cut`` leaves out lines.
        """
        out = cut(self.run(*words, *quiet))
        self.text = filled(self.text, name, f"$ ffnn {' '.join(map(str, words))}\n{out}")

    def keep(self, name: str, place: Path) -> None:
        """Put a file that a command has written where the repository keeps such."""
        place.mkdir(parents=True, exist_ok=True)
        shutil.move(self.folder / name, place / name)


def filled(text: str, name: str, block: str) -> str:
    """Return the page with another block of this name. Raises MeasurementError where it has none."""
    lines = "\n".join(line.rstrip() for line in block.strip("\n").split("\n"))
    found, count = re.subn(
        _BLOCK.format(name=re.escape(name)), lambda old: f"{old[1]}{lines}\n{old[2]}", text, flags=re.M | re.S
    )
    if count != 1:
        raise MeasurementError(f"docs/assignment.md has {count} blocks <!-- answer: {name} -->, not one")
    return found


def without_pairs(out: str) -> str:
    """Leave out of a comparison what would fill the page, which docs/results/compare-loss-50.csv holds."""
    head, _, rest = out.partition("\npair ")
    _, _, tail = rest.partition("\n\n")
    return f"{without_path(head)}\n… (a line for each of the 25 pairs)\n\n{tail}"


def without_path(out: str) -> str:
    """Leave out where the sweep is stored, which is another place for everybody."""
    return re.sub(r"^stored in .*\n", "", out, flags=re.M)


def answer(answers: Answers, sweep: str, comparison: str | None) -> None:
    """Answer all questions by a sweep of the folder."""
    from benchmarks.answers_page import photograph

    answers.show("samples", "visualize", "-o", "samples.png")
    answers.show("untrained", "predict", IMAGE, "--hidden-size", "128,64", "-o", "untrained.png")
    answers.show("sweep", "sweeps", "show", sweep, cut=without_path)
    answers.show("report", "report", sweep, "-o", "report.html")
    photograph(answers.folder / "report.html", answers.folder)
    confusion = ("confusion", "--sweep", sweep, "-o", "confusion-best.png")
    answers.show("confusion", *confusion, "--csv", "confusion-best.csv")
    best = answers.document(*confusion)["run_id"]
    answers.show("trained", "predict", IMAGE, "--run", best, "-o", "trained.png")
    files = ("-o", "compare-loss.png", "--csv", "compare-loss-50.csv")
    asked = (
        ("compare-loss", comparison)
        if comparison
        else ("compare-loss", ROOT / "sweeps/compare_loss.yaml", "--new")
    )
    document = answers.document(*asked, "--workers", answers.workers)
    answers.show("losses", "compare-loss", document["sweep_id"], *files, cut=without_pairs)
    mnist = ("rerun", "--sweep", sweep, "--top", 3, "--dataset", "mnist")
    answers.show("mnist", *mnist, quiet=("--workers", answers.workers))
    write_table(answers.document(*mnist), answers.folder / "mnist-top-3.csv")
    for name in (
        "samples",
        "untrained",
        "trained",
        "confusion-best",
        "compare-loss",
        "parallel",
        "importance",
        "progress",
    ):
        answers.keep(f"{name}.png", IMAGES)
    for name in ("confusion-best", "compare-loss-50", "mnist-top-3"):
        answers.keep(f"{name}.csv", RESULTS)


def write_table(documents: list[dict[str, Any]], path: Path) -> None:
    """Write what became of configurations that were trained again."""
    searched = ("num_layers", "hidden_size", "activation", "weight_init", "optimizer", "learning_rate")
    searched += ("batch_size", "epochs", "weight_decay", "seed")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["rank", "dataset", *searched, "sweep_val_acc", "best_val_acc", "test_acc", "seconds"]
        )
        for each in documents:
            values = (each["config"][name] for name in searched)
            results = (each["original"]["value"], each["best_val_acc"], each["test_acc"])
            numbers = (f"{value:.6g}" for value in results)
            writer.writerow([each["rank"], each["dataset"], *values, *numbers, f"{each['seconds']:.1f}"])


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.answers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where ffnn keeps its datasets")
    parser.add_argument("--folder", type=Path, help="to work in; its runs/ stays (a temporary one)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--sweep", metavar="ID", help="a sweep of FOLDER/runs")
    source.add_argument("--sweep-count", type=at_least_one, metavar="N", help="train sweeps/bayes.yaml anew")
    parser.add_argument("--comparison", metavar="ID", help="a loss comparison of FOLDER/runs")
    parser.add_argument("--workers", type=at_least_one, default=len(os.sched_getaffinity(0)))
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run it all; the page is written last, so that one that stops half-way changes no text."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        answers = Answers(folder, options.data_dir, options.workers)
        sweep = options.sweep
        try:
            if options.sweep_count is not None:
                words = ("--count", options.sweep_count, "--workers", options.workers, "--new")
                made = answers.document("sweep", ROOT / "sweeps" / "bayes.yaml", *words)
                sweep = made["sweep_id"]
            elif sweep is None:
                sweep = rebuild(folder / "runs", options.data_dir, RESULTS / "bayes-500.csv")
            answer(answers, sweep, options.comparison)
        except MeasurementError as error:
            print(error, file=sys.stderr)
            return 1
        PAGE.write_text(answers.text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
