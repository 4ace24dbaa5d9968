"""The names of datasets: a known name, or a path with options.

A path may end in ``#grayscale``, ``#label=COLUMN`` or both, as in ``birds.zip#grayscale`` and
``iris.csv#label=species``, so that one text says everything: in a configuration, a sweep file and a record.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ffcli.datasets.catalog import KNOWN
from ffcli.errors import RequestError
from ffcli.util.folders import expanded
from ffcli.util.suggest import closest, unknown

_ENDINGS = (".npz", ".npy", ".csv", ".tsv", ".zip", ".parquet", ".gz")
GRAYSCALE, LABEL = "grayscale", "label"
OWN = "Name your own by its path: a file, a zip archive or a folder."


@dataclass(frozen=True)
class Reference:
    """A path and what is to be made of its files.

    Attributes:
        path: of a file or folder.
        label: the column of the labels, by name or number from 1; None where it is to be found.
        grayscale: whether colour images become gray.
    """

    path: Path
    label: str | None = None
    grayscale: bool = False

    def __str__(self) -> str:
        options = [GRAYSCALE] * self.grayscale
        if self.label is not None:
            options.append(f"{LABEL}={self.label}")
        return str(self.path) + "".join(f"#{option}" for option in options)


def parse(name: str) -> Reference:
    """Return a path and its options. A file whose name has such an ending is meant before the options are."""
    label, grayscale = None, False
    while not os.path.lexists(path := expanded(name)) and "#" in name:
        rest, _, option = name.rpartition("#")
        word, equals, value = option.partition("=")
        if word.strip().lower() == GRAYSCALE and not equals:
            grayscale = True
        elif word.strip().lower() == LABEL and value.strip():
            label = value.strip()
        else:
            break
        name = rest
    return Reference(path, label, grayscale)


def canonical_name(name: str) -> str:
    """Return the first name of a known dataset, or the absolute path of a user's own with its options.

    Known names ignore case and take hyphens for underscores. Anything else is a path, unless it looks like a
    typing error of a known name. No file is looked up: whether there is one is found out when it is loaded.

    Raises:
        RequestError: it is a typing error, or no path.
    """
    if name in KNOWN:
        return KNOWN.canonical(name)
    if "\0" in name:
        raise RequestError("a path cannot contain a NUL character", parameter="dataset")
    is_path = os.sep in name or name.lower().endswith(_ENDINGS)
    if not name or (not is_path and closest(name, {known: known for known in KNOWN})):
        raise RequestError(unknown("dataset", name, KNOWN), hint=OWN)
    return os.path.abspath(expanded(name))  # noqa: PTH100 - Path.resolve looks links up


def short_name(name: str) -> str:
    """Return a canonical name for others to see: a path from the current or home folder where below it."""
    if name in KNOWN:
        return name
    for folder, prefix in ((os.getcwd(), ""), (os.path.expanduser("~"), "~/")):  # noqa: PTH109, PTH111
        if name.startswith(inside := folder.rstrip(os.sep) + os.sep):
            return prefix + name.removeprefix(inside)
    return name


def with_options(name: str, *, label: str | None = None, grayscale: bool = False) -> str:
    """Return a dataset's canonical name with further options; ``grayscale`` changes nothing for a known one.

    Raises:
        RequestError: it is a known dataset and a column is named.
    """
    if name in KNOWN:
        if label is not None:
            raise RequestError(f"{name} has no columns", parameter="label_column")
        return name
    found = parse(name)
    return str(Reference(found.path, label or found.label, grayscale or found.grayscale))
