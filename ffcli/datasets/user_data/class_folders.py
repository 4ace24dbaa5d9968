"""Datasets of pictures in one folder for each class, below ``train`` and ``test`` or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.files import File, opened
from ffcli.datasets.pictures import MOST_BYTES
from ffcli.datasets.user_data.base import Bench, Found, Part, by_role, role_of
from ffcli.datasets.user_data.staging import Gallery
from ffcli.util.text import counted

_ROLES = ("train", "val", "test")


def read_class_folders(files: Sequence[File], bench: Bench) -> Found:
    """Read pictures whose class is the name of the folder that they lie in.

    Raises:
        BrokenDataError: a picture is damaged, or the folders are not those of classes.
    """
    notices: list[str] = []
    depth = Counter(len(file.parts) for file in files).most_common(1)[0][0]
    placed = [file.parts for file in files if len(file.parts) >= depth]
    if len(placed) < len(files):
        left_out = counted(len(files) - len(placed), "picture")
        notices.append(f"left out: {left_out} above the folders of the classes")
        files = [file for file in files if len(file.parts) >= depth]
    while min(map(len, placed)) > 1 and len({parts[0] for parts in placed}) == 1:
        placed = [parts[1:] for parts in placed]
    depth = min(map(len, placed))
    if depth < 2:
        raise BrokenDataError("its pictures are not in one folder per class: expected CLASS/PICTURE")
    has_roles = depth > 2 and all(role_of(parts[0]) for parts in placed)
    classes = [parts[1] if has_roles else parts[0] for parts in placed]
    if len(set(classes)) < 2:
        raise BrokenDataError(f"all its pictures are of the class {classes[0]!r}: expected several folders")
    gallery, found = Gallery(bench.scratch), []
    bounds: list[tuple[str | None, int, int]] = []
    labels: list[str] = []
    for role in _ROLES if has_roles else (None,):
        start = len(gallery)
        for file, parts_of, class_ in zip(files, placed, classes):
            if role is None or role_of(parts_of[0]) == role:
                with opened(file) as stream:
                    content = stream.read(MOST_BYTES + 1)
                if len(content) > MOST_BYTES:
                    raise BrokenDataError(f"{file.name} is larger than {MOST_BYTES} bytes")
                gallery.add(content, file.name)
                labels.append(class_)
        if len(gallery) > start:
            bounds.append((role, start, len(gallery)))
    for role, start, stop in bounds:
        rows = gallery.rows(f"{role or 'pictures'}", start, stop)
        found.append((role, Part(rows, np.array(labels[start:stop]), "the folders' names")))
    return by_role(found, [*notices, *gallery.notices])
