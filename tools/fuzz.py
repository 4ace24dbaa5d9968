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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tools import fuzz_inputs

SWEEPS = Path(__file__).parents[1] / "sweeps"
MOST = 1 << 20
TARGETS = (
    *("idx", "npz", "dataset", "picture", "model", "yaml"),
    *("sweep", "script", "notebook", "record", "history", "study"),
)
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
    from ffcli.runs.integrity import known_config
    from ffcli.runs.layout import STUDY
    from ffcli.runs.metric import Metric
    from ffcli.runs.model_file import load_network, network_bytes
    from ffcli.runs.record import HistoryRow, RunRecord, history_csv
    from ffcli.runs.store import HISTORY, SUMMARY, RunStore
    from ffcli.services.runs.listing import list_runs
    from ffcli.services.runs.select import best_run
    from ffcli.sweeping.search.base import Known
    from ffcli.sweeping.search.methods import proposer
    from ffcli.sweeping.spec.spec import SweepSpec, load_spec, parse_spec
    from ffcli.sweeping.study import study
    from ffcli.sweeping.study.coordinator import Coordinator
    from ffcli.sweeping.study.plan import Plan
    from ffcli.sweeping.study.writer import StudyWriter
    from ffcli.training.context import Context
    from ffcli.util.safe_read import parse_yaml

    file = folder / "input"
    context = Context(folder / "data", folder)
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
        known_config(RunStore(folder).read("run"))
        list_runs(context, sort="val_loss")
        best_run(context, Metric("val_loss", "minimize"), None)

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
        "run", "run", "finished", "fashion_mnist", config, "2026-01-31T12:00:00Z", best={"val_loss": 0.5}
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
        "dataset": (dataset, fuzz_inputs.datasets()),
        "picture": (picture, fuzz_inputs.pictures()),
        "model": (model, [file.read_bytes()]),
        "yaml": (lambda content: parse_yaml(text(content)), sweeps),
        "sweep": (sweep, [*sweeps, fuzz_inputs.BANDS, fuzz_inputs.LARGEST]),
        "script": (script, fuzz_inputs.scripts()),
        "notebook": (notebook, [fuzz_inputs.notebook(content) for content in fuzz_inputs.scripts()]),
        "record": (record, [json.dumps(sound.as_dict()).encode()]),
        "history": (history, [history_csv(rows).encode()]),
        "study": (
            journal,
            [fuzz_inputs.study_of(folder / "s1", text) for text in (fuzz_inputs.BANDS, fuzz_inputs.WHOLE)],
        ),
    }


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
