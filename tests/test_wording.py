"""One of a thing is not called by its plural, wherever the program counts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ffcli
from ffcli.wording import are, counted

PACKAGE = Path(ffcli.__file__).parent

_COUNTED = (
    "runs|epochs|trials|sweeps|images|examples|workers|layers|pairs|networks|seeds|views|columns"
    "|bytes|values|steps|times|others|labels|ensembles|datasets|files|features|probabilities|parameters|arrays"
    "|channels|rows|processes|losses|configurations|members|failures|attempts|units|names|ids|mistakes"
    "|hyper-parameters|classes"
)
_NEXT = re.compile(rf" (?!holds |has |of |in )(?:[a-z'-]+ )?({_COUNTED})\b")

# What is counted there is never one.
NEVER_ONE = {
    ("cli.confusion", "pair['count'] times"),  # one is "once"
    ("cli.confusion_view", "len(cells) classes"),  # so many that they do not fit
    ("cli.judged", "document['views'] views"),  # said of more than one
    ("cli.rerun", "n_seeds seeds"),  # said of more than one
    ("cli.sweeps", "document['trials'] runs"),  # one has no correlation
    ("datasets.custom", "needed bytes"),  # an array with its header
    ("datasets.web", "self.patience.chunk bytes"),
    ("datasets.web", "size bytes"),  # more than the whole dataset has
    ("plotting.learning_curves", "pairs[0] pairs"),  # more than those that are left
    ("services.compare_loss_pairs", "name images"),  # no count
    ("services.compare_loss_statistics", "found.n pairs"),  # of one pair there is no verdict
    ("services.pictures", "data.image_shape[2] channels"),  # one is gray, and can be drawn
    ("services.finding", "len(named) sweeps"),  # the word is ambiguous
    ("services.sweep_running", "self._deaths[number] times"),  # more than _DEATHS
    ("services.sweep_wandb_running", "len(self._errors) runs"),  # _FIRST_FAILURES
    ("services.sweep_wandb_running", "self._deaths[member.number] times"),  # more than _DEATHS
    ("services.visualize", "data.n_classes classes"),  # more than fit into the grid
    ("untrusted", "most bytes"),
}


def fixed_plurals(source: str) -> Iterator[str]:
    """Yield each count of a source, but for constants, that a plural follows whatever the count is."""
    for text in ast.walk(ast.parse(source)):
        if not isinstance(text, ast.JoinedStr):
            continue
        for count, words in zip(text.values, text.values[1:]):
            if not isinstance(count, ast.FormattedValue) or not isinstance(words, ast.Constant):
                continue
            found = _NEXT.match(str(words.value))
            value = ast.unparse(count.value)
            if found is not None and not re.fullmatch(r"[A-Z_]+", value):
                yield f"{value} {found.group(1)}"


def test_one_and_many():
    assert [counted(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [counted(number, "class", "classes") for number in (1, 3)] == ["1 class", "3 classes"]
    assert [are(number) for number in (0, 1, 2)] == ["are", "is", "are"]


def test_no_count_is_followed_by_a_fixed_plural():
    found = {
        (".".join(path.relative_to(PACKAGE).with_suffix("").parts), text)
        for path in PACKAGE.rglob("*.py")
        for text in fixed_plurals(path.read_text("utf-8"))
    }
    assert found == NEVER_ONE


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('f"{runs} runs in {path}"', ["runs runs"]),
        ('f"has done {record.epochs_done} epochs"', ["record.epochs_done epochs"]),
        ('f"{n} such configurations"', ["n configurations"]),
        ("f\"{counted(n, 'run')} in {path}\"", []),
        ('f"at most {_MOST} layers"', []),
        ('f"{name} holds values that are NaN"', []),
    ],
)
def test_a_fixed_plural_would_be_seen(source: str, found: list[str]):
    assert list(fixed_plurals(source)) == found
