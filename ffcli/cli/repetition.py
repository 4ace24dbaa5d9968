"""The options by which a configuration is measured by several runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ffcli.cli.help import REPETITION, option
from ffcli.cli.values import integer

Folds = Annotated[
    str | None,
    option(
        "--folds K",
        REPETITION,
        "Train on K stratified folds of the training images; the figures are means over the runs.",
    ),
]
Repeats = Annotated[
    str | None,
    option(
        "--repeats N",
        REPETITION,
        "Train with N seeds, its own and those after it; the figures are means over the runs.",
    ),
]


def number_of(label: str, text: str | None, least: int) -> int | None:
    """Return a number of folds or seeds, None for None. Raises RequestError that names ``label``."""
    if text is None:
        return None
    from ffcli.config import MOST_RUNS  # it loads NumPy

    return integer(label, text, least, MOST_RUNS)


@dataclass(frozen=True)
class Repetition:
    """How many folds and seeds the command line asks for, None where it does not."""

    folds: int | None
    repeats: int | None

    @classmethod
    def read(cls, folds: str | None, repeats: str | None) -> Repetition:
        """Return what the options say. Raises RequestError."""
        return cls(number_of("--folds", folds, least=2), number_of("--repeats", repeats, least=1))

    @property
    def given(self) -> bool:
        """Whether it asks for any."""
        return (self.folds, self.repeats) != (None, None)

    @property
    def n_folds(self) -> int:
        """The number of folds; 0: the configuration's own split."""
        return self.folds or 0

    @property
    def n_repeats(self) -> int:
        """The number of seeds."""
        return self.repeats or 1
