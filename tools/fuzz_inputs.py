"""Sound inputs that the fuzzing of readers begins with."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

BANDS = b"""
method: random
metric: {name: val_acc, goal: maximize}
early_terminate: {type: hyperband, min_iter: 1, eta: 1.5, s: 3, max_iter: 27}
parameters:
  epochs: {value: 30}
  learning_rate: {distribution: q_log_uniform_values, min: 1.0e-4, max: 0.1, q: 1.0e-4}
"""
LARGEST = b"""
method: bayes
metric: {name: val_loss}
early_terminate: {type: hyperband, max_iter: 9223372036854775807, s: 100, eta: 1.0000001}
parameters:
  epochs: {min: 1, max: 1000000}
  num_layers: {min: 0, max: 10000}
  hidden_size: {value: 1048576}
  fold: {values: [9999/9999, none]}
  optimizer: {values: [sgd, nag, rmsprop, adam], probabilities: [1.0e-6, 0.5, 0.4, 0.099999]}
  learning_rate: {distribution: log_uniform, min: -87, max: 88.7}
  beta1: {distribution: beta, a: 100000, b: 100000}
  seed: {distribution: q_normal, mu: 1000000000000000, sigma: 100000, q: 2}
"""
WHOLE = b"""
method: bayes
metric: {name: val_acc, goal: maximize}
parameters:
  epochs: {min: 2, max: 9}
  batch_size: {distribution: q_log_uniform_values, min: 16, max: 256, q: 16}
  hidden_size: {values: [[64, 32], 32]}
"""


def study_of(folder: Path, text: bytes) -> bytes:
    """Return the record of a sweep with a finished trial and one that runs."""
    from ffcli.runs.layout import STUDY
    from ffcli.sweeping.search.methods import proposer
    from ffcli.sweeping.spec.spec import parse_spec
    from ffcli.sweeping.study import study
    from ffcli.sweeping.study.writer import StudyWriter

    spec = parse_spec(text.decode())
    folder.mkdir(exist_ok=True)
    study.create(folder, study.Sweep(folder.name, spec, "digest", 1, 0, 1.8e9), 3)
    writer = StudyWriter(folder, lambda: None)
    for number in (1, 2):
        trial = writer.begin(proposer(spec, 0).propose(number))
        writer.epoch(trial, 1, 0.5)
    writer.end(writer[1], "finished", value=0.5, best_epoch=1)
    return (folder / STUDY).read_bytes()


def scripts() -> list[bytes]:
    """Return small scripts with a sweep."""
    sweep = b"{'method': 'random', 'parameters': {'lr': {'values': [1e-3]}, 'seed': {'value': -1}, **p}}"
    return [
        b"import wandb\np = {}\nwandb.sweep(" + sweep + b", project='p')\n",
        b"p = dict(epochs=dict(value=1))\ndef f():\n    c = "
        + sweep
        + b"\n    c['name'] = 'n'\n    return c\nx = f()\n",
        b"p = {}\np.update({'epochs': {'min': 1, 'max': 3}})\nfor a in p:\n    c = " + sweep,
    ]


def notebook(source: bytes) -> bytes:
    """Return a notebook with a cell of this source."""
    lines = ["!ls\n", *source.decode().splitlines(keepends=True)]
    return json.dumps({"cells": [{"cell_type": "code", "source": lines}]}).encode()


def datasets() -> list[bytes]:
    """Return small datasets of a user's own: arrays, a table packed or not, and zips of folders."""
    import numpy as np
    from PIL import Image

    arrays, labels = io.BytesIO(), np.arange(12) % 2
    np.savez_compressed(arrays, x=np.zeros((12, 3, 3), np.uint8), y=labels)
    table = b"label,a,b\n" + b"".join(b"%d,%d,7\n" % (label, n) for n, label in enumerate(labels))
    classes: dict[str, bytes] = {}
    zips: list[bytes] = []
    for label in "ab":
        for n in range(6):
            picture = io.BytesIO()
            Image.fromarray(np.full((3, 3), 20 * n, dtype=np.uint8)).save(picture, "PNG")
            classes[f"{label}/{n}.png"] = picture.getvalue()
    for files in (classes, {"train.csv": table, "test.csv": table}):
        with zipfile.ZipFile(out := io.BytesIO(), "w") as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        zips.append(out.getvalue())
    return [arrays.getvalue(), table, gzip.compress(table, mtime=0), *zips]


def pictures() -> list[bytes]:
    """Return small pictures."""
    import numpy as np
    from PIL import Image

    files = []
    for kind in ("PNG", "JPEG", "TIFF"):
        out = io.BytesIO()
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(out, kind)
        files.append(out.getvalue())
    return files
