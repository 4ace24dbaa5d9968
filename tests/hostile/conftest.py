from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cli_helpers import Cli, Done, in_process
from hostile_helpers import SWEEP, Trained, write_tiny

from ffcli.cli.app import main


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Calls the command within this process; whatever it is given, it ends as it has promised."""
    call = in_process(tmp_path, monkeypatch, capsys)

    def checked(*args: object) -> Done:
        done = call(*args)
        assert done.code in (0, 1, 2)
        assert "This is a bug in ffnn" not in done.err, done.err
        assert "Traceback" not in done.err
        assert "\x1b" not in done.out + done.err, "an escape that would be obeyed"
        if "--json" in args and done.out:
            json.loads(done.out, parse_constant=_refuse)
        return done

    return checked


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
