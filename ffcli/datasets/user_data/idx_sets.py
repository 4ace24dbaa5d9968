"""Datasets of IDX files under the names of MNIST and its relatives: EMNIST, KMNIST, torchvision's layout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.files import File
from ffcli.datasets.idx import open_idx
from ffcli.datasets.user_data.base import Bench, Found, Part, by_role, labels_of, rows_of

_NAME = re.compile(
    r"(?P<set>.*?)[-_.]?(?P<role>train|t10k|test|val)[-_.]?(?P<kind>images?|labels?)\b.*", re.IGNORECASE
)

IdxSet = dict[tuple[str, str], File]
"""The files of one set by role ("train", "test", "val") and kind ("x", "y")."""


def idx_sets(files: Sequence[File]) -> dict[str, IdxSet]:
    """Return the sets of IDX files by the folder and the beginning that the names of one set share."""
    sets: dict[str, IdxSet] = {}
    for file in files:
        match = _NAME.fullmatch(file.parts[-1])
        if match is None:
            continue
        role = {"t10k": "test"}.get(match["role"].lower(), match["role"].lower())
        kind = "x" if match["kind"].lower().startswith("image") else "y"
        members = sets.setdefault("/".join([*file.parts[:-1], match["set"]]), {})
        # The same file may lie there packed and unpacked: the packed one is as it was published.
        if (role, kind) not in members or file.name.endswith(".gz"):
            members[role, kind] = file
    return sets


def read_idx(files: Sequence[File], bench: Bench) -> Found:
    """Read one set of IDX files.

    Raises:
        BrokenDataError: there are several sets or none, or one of its files is missing or does not fit.
    """
    sets = idx_sets(files)
    if len(sets) != 1:
        names = ", ".join(name or "(no name)" for name in sorted(sets)[:8])
        raise BrokenDataError(
            f"it holds several datasets ({names}): name one by the path of one of its files or its folder"
            if sets
            else "its IDX files have other names than train-images-idx3-ubyte, train-labels-idx1-ubyte, …"
        )
    members = next(iter(sets.values()))
    parts = []
    for role in ("train", "test", "val"):
        pair = {kind: members.get((role, kind)) for kind in ("x", "y")}
        images, labels = pair["x"], pair["y"]
        if images is None and labels is None and role != "train":
            continue
        if images is None or labels is None:
            lacking = "images" if images is None else "labels"
            raise BrokenDataError(f"there is no file {role}-{lacking} beside the others")
        rows = rows_of(partial(open_idx, images), bench)
        values = labels_of(partial(open_idx, labels), rows, bench)
        parts.append((role, Part(rows, values, labels.parts[-1])))
    return by_role(parts)
