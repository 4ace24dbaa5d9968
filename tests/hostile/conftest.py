from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_helpers import SWEEP, Cli, Done, Trained, write_tiny

from ffcli.cli.app import main


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Calls the command within this process; whatever it is given, it ends as it has promised."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FFNN_DATA_DIR", "FFNN_RUNS_DIR", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def call(*args: object) -> Done:
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        assert code in (0, 1, 2)
        assert "This is a bug in ffnn" not in err, err
        assert "Traceback" not in err
        assert "\x1b" not in out + err, "an escape that would be obeyed"
        if "--json" in args and out:
            json.loads(out, parse_constant=_refuse)
        return Done(code, out, err)

    return call


def _refuse(word: str) -> None:
    raise AssertionError(f"JSON knows no {word}")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_tiny(folder / "tiny.npz")
        small = ["train", "-d", "tiny.npz", "-sz", "4", "-nhl", "1", "-o", "nadam", "--quiet"]
        assert main([*small, "-e", "2", "--batch-norm", "--schedule", "plateau"]) == 0
        (finished,) = (path.name for path in (folder / "runs").iterdir())
        assert main([*small, "-e", "3", "--ema", "0.5", "--schedule", "plateau"]) == 0
        (other,) = {path.name for path in (folder / "runs").iterdir()} - {finished}
        (folder / "s.yaml").write_text(SWEEP)
        assert main(["sweep", "s.yaml", "--workers", "1", "--runs-dir", "swept", "--quiet"]) == 0
        (sweep_id,) = (path.name for path in (folder / "swept" / "sweeps").iterdir())
        (folder / "swept" / "sweeps").rename(folder / "runs" / "sweeps")
    _interrupt(folder / "runs" / other)
    return Trained(folder, other, finished, sweep_id)


def _interrupt(run: Path) -> None:
    """Bring a finished run to where it stood after its second epoch."""
    from ffcli.config import validate
    from ffcli.datasets import load_dataset
    from ffcli.runs.recorder import RunRecorder
    from ffcli.runs.store import RunStore
    from ffcli.training.experiment import Experiment
    from ffcli.training.recording import record_epoch

    store = RunStore(run.parent)
    record = store.read(run.name)
    experiment = Experiment(validate(record.config), load_dataset(record.dataset, run.parent.parent / "data"))
    with RunRecorder(run, record) as recorder:
        recorder.begin(experiment.config)
        for result in experiment:
            record_epoch(recorder, experiment, result)
            if result.epoch == 2:
                break
        recorder.end("interrupted")


@pytest.fixture
def copied(trained: Trained, tmp_path: Path) -> Trained:
    """A copy of these of one's own, in the folder in which ``cli`` works."""
    for name in ("runs", "data"):
        shutil.copytree(trained.folder / name, tmp_path / name)
    for name in ("tiny.npz", "s.yaml"):
        shutil.copy2(trained.folder / name, tmp_path / name)
    return replace(trained, folder=tmp_path)
