"""Fuzzing of what reads files from elsewhere, guided by coverage: ``python -m tools.fuzz TARGET``.

Atheris (``pip install atheris``, Linux) changes bytes so that new lines of ``ffcli`` are reached. What a
reader may raise is an `FfnnError` (a ValueError where it says so); anything else ends the run with a
traceback, and the input that did it lies in ``crash-…``. The tests in ``tests/hostile`` draw from a grammar
of wrong documents instead and need no more than hypothesis.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

SWEEPS = Path(__file__).parents[1] / "sweeps"
MOST = 1 << 20
TARGETS = (
    *("idx", "npz", "dataset", "picture", "model", "yaml"),
    *("sweep", "script", "notebook", "record", "history", "study"),
)
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
Target = tuple[Callable[[bytes], Any], list[bytes]]


def targets(folder: Path) -> dict[str, Target]:  # noqa: PLR0915 - one after another
    """Return what can be fuzzed: a function of bytes, and sound inputs to begin with."""
    import numpy as np

    from ffcli.config import TrainConfig
    from ffcli.core.network import Network
    from ffcli.core.training import EpochResult
    from ffcli.datasets import load_dataset
    from ffcli.datasets.files import file_at, zip_files
    from ffcli.datasets.idx import open_idx
    from ffcli.datasets.npz import open_npy
    from ffcli.datasets.pictures import decode
    from ffcli.datasets.streams import RawArray, blocks
    from ffcli.runs.integrity import known_config, refuse_unreadable
    from ffcli.runs.layout import STUDY
    from ffcli.runs.model_file import load_network, network_bytes
    from ffcli.runs.record import HistoryRow, RunRecord, history_csv
    from ffcli.runs.store import HISTORY, SUMMARY, RunStore
    from ffcli.sweeping.search.base import Known
    from ffcli.sweeping.search.methods import proposer
    from ffcli.sweeping.spec.spec import SweepSpec, load_spec, parse_spec
    from ffcli.sweeping.study import study
    from ffcli.sweeping.study.coordinator import Coordinator
    from ffcli.sweeping.study.plan import Plan
    from ffcli.sweeping.study.writer import StudyWriter
    from ffcli.util.safe_read import parse_yaml

    file = folder / "input"
    no_pool: Any = None  # no trial begins

    def put(content: bytes) -> Path:
        file.write_bytes(content)
        return file

    def unpack(raw: RawArray) -> None:
        if raw.n_bytes <= MOST:  # what calls the readers compares the shape before it unpacks
            for _ in blocks(raw, folder):
                pass

    def idx(content: bytes) -> None:
        with open_idx(file_at(put(content))) as raw:
            unpack(raw)

    def npz(content: bytes) -> None:
        with zip_files(file_at(put(content)), folder) as files:
            for member in files:
                with open_npy(member) as raw:
                    unpack(raw)

    def dataset(content: bytes) -> None:
        load_dataset(str(put(content)), folder / "data")

    def picture(content: bytes) -> None:
        decode(content, "input")

    def model(content: bytes) -> None:
        load_network(put(content))

    def use(spec: SweepSpec) -> None:
        """Do what a sweep of this file begins with: what it takes is bounded by the file's checks."""
        study.distributions(spec)
        search = proposer(spec, 0)
        first = search.propose(1)
        search.learn(Known(1, True, None, first.values, first.point))
        if spec.size is not None:
            index = spec.distinct.index(first.values)
            assert index is not None
            assert spec.combination(index) == first.values
        if spec.early_terminate is not None:
            assert len(spec.early_terminate.bands(first.config.epochs)) <= 100

    def sweep(content: bytes) -> None:
        use(parse_spec(text(content)))

    def script(content: bytes) -> None:
        (folder / "a.py").write_bytes(content)
        use(load_spec(folder / "a.py"))

    def notebook(content: bytes) -> None:
        (folder / "a.ipynb").write_bytes(content)
        use(load_spec(folder / "a.ipynb"))

    def text(content: bytes) -> str:
        return content.decode("utf-8", "replace")

    def record(content: bytes) -> None:
        (folder / "run" / SUMMARY).write_bytes(content)
        record = RunStore(folder).read("run")
        known_config(record)
        refuse_unreadable(record, "")

    def history(content: bytes) -> None:
        (folder / "run" / HISTORY).write_bytes(content)
        RunStore(folder).history("run")

    def journal(content: bytes) -> None:
        (folder / "s1" / STUDY).write_bytes(content)
        found = StudyWriter(folder / "s1", lambda: None)
        assert found.study.planned is None or found.study.planned > 0
        Coordinator(found, no_pool, Plan(None, lambda _: None), lambda _: None)
        for trial in found.trials:
            assert found.sweep.members(trial.config)

    (folder / "run").mkdir()
    config = TrainConfig().as_dict()
    sound = RunRecord(
        "run", "run", "finished", "mnist", config, "2026-01-31T12:00:00Z", best={"val_acc": 0.5}
    )
    rows = [HistoryRow(EpochResult(n, 1.0, 0.5, 1.0, 0.5, 0.25, 0.2, 0.5), sound.started) for n in (1, 2)]
    header = b"\0\0\x08\x03" + struct.pack(">3I", 2, 3, 3) + bytes(18)
    archive = io.BytesIO()
    np.savez_compressed(archive, x_train=np.zeros((2, 3, 3), np.uint8))
    network = Network([9, 4, 3], "relu")
    network.initialize("xavier", np.random.default_rng(0))
    file.write_bytes(network_bytes(network, {"config": config}))
    sweeps = [path.read_bytes() for path in SWEEPS.glob("*.yaml")]
    return {
        "idx": (idx, [header, gzip.compress(header, mtime=0)]),
        "npz": (npz, [archive.getvalue()]),
        "dataset": (dataset, datasets()),
        "picture": (picture, pictures()),
        "model": (model, [file.read_bytes()]),
        "yaml": (lambda content: parse_yaml(text(content)), sweeps),
        "sweep": (sweep, [*sweeps, BANDS, LARGEST]),
        "script": (script, scripts()),
        "notebook": (notebook, [_notebook(content) for content in scripts()]),
        "record": (record, [json.dumps(sound.as_dict()).encode()]),
        "history": (history, [history_csv(rows).encode()]),
        "study": (journal, [_study(folder / "s1", text) for text in (BANDS, WHOLE)]),
    }


def _study(folder: Path, text: bytes) -> bytes:
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


def _notebook(source: bytes) -> bytes:
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


def main(arguments: list[str] | None = None) -> int:
    """Fuzz one target for some time."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__.split("\n", 1)[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args(arguments)
    try:
        import atheris
    except ImportError:
        parser.error("atheris is missing: pip install atheris")

    with atheris.instrument_imports(include=["ffcli"]):
        from ffcli.errors import FfnnError

        folder = Path(tempfile.mkdtemp(prefix="ffnn-fuzz-"))
        read, corpus = targets(folder)[options.target]
    refused = (FfnnError, ValueError) if options.target == "yaml" else FfnnError

    def once(content: bytes) -> None:
        with suppress(refused):
            read(content)

    seeds = folder / "corpus"
    seeds.mkdir()
    for number, content in enumerate(corpus):
        (seeds / str(number)).write_bytes(content)
    flags = [f"-max_total_time={options.seconds}", "-timeout=10", "-rss_limit_mb=2000", "-max_len=8192"]
    atheris.Setup([sys.argv[0], *flags, str(seeds)], once)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
