"""Processes that fetch at once, are killed on the way, or find the disk full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_datasets import child, child_environment, tiny_spec

from ffcli.datasets import fetch, load_dataset
from ffcli.datasets.store import workspace
from ffcli.errors import DataError

SPEC = tiny_spec()

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and locks")


def run(*arguments, **options):
    return subprocess.Popen(
        child(*map(str, arguments)), env=child_environment(), stderr=subprocess.PIPE, text=True, **options
    )


def whole(data_dir, arrays):
    dataset = load_dataset(SPEC, data_dir, source="debian")
    assert all(np.array_equal(getattr(dataset, name), array) for name, array in arrays.items())
    assert [path.name for path in data_dir.iterdir()] == ["tiny"]
    assert len(list((data_dir / "tiny").iterdir())) == 5


@pytest.mark.parametrize("file", ["", "tiny.npz"])
def test_two_processes_fetch_at_once(server, data_dir, arrays, file):
    # The gate holds both back until both have begun (an .npz passes it freely).
    processes = [run(data_dir, server.url(f"gate/{file}")) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
    whole(data_dir, arrays)


def test_a_process_killed_within_a_download(server, data_dir, arrays):
    process = run(data_dir, server.url("stall/tiny.npz"))
    assert server.halfway.wait(20)
    process.kill()
    process.communicate()
    left = [path.name for path in data_dir.iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".fetch-")
    with pytest.raises(DataError):
        load_dataset(SPEC, data_dir, source="debian")
    fetch(SPEC, data_dir, from_=server.url("ok/"))
    whole(data_dir, arrays)


def test_a_process_killed_before_the_manifest_is_written(idx_folder, data_dir, arrays):
    process = run(data_dir, idx_folder, "--die-before-manifest")
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert (data_dir / "tiny" / "x_train.npy").exists()
    with pytest.raises(DataError, match="could not be fetched"):
        load_dataset(SPEC, data_dir, source="debian")
    fetch(SPEC, data_dir, from_=idx_folder)
    whole(data_dir, arrays)


def test_an_interrupted_process_cleans_up(server, data_dir):
    process = run(data_dir, server.url("stall/tiny.npz"))
    assert server.halfway.wait(20)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert list(data_dir.iterdir()) == []


def test_a_full_disk_ends_with_a_message(idx_folder, data_dir):
    process = run(data_dir, idx_folder, "--file-limit", 10_000)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"the data folder {data_dir} cannot be used: File too large" in errors
    assert "Traceback" not in errors
    assert list(data_dir.iterdir()) == []


def test_only_abandoned_folders_are_swept_up(data_dir):
    data_dir.mkdir()
    (data_dir / ".fetch-elsewhere-1").mkdir()
    (data_dir / ".fetch-long-ago").mkdir()
    os.utime(data_dir / ".fetch-long-ago", (0, 0))
    with workspace(data_dir) as first:
        abandoned = first.with_name(first.name + "x")
        abandoned.mkdir()
        (abandoned / "part").write_bytes(b"half")
        with workspace(data_dir) as second:
            assert first.is_dir()
            assert second.is_dir()
            assert not abandoned.exists()
    assert [path.name for path in data_dir.iterdir()] == [".fetch-elsewhere-1"]


def test_many_processes_make_and_sweep_folders_at_once(tmp_path):
    script = (
        "import sys\nfrom pathlib import Path\nfrom ffcli.datasets.store import workspace\n"
        "for _ in range(100):\n"
        "    with workspace(Path(sys.argv[1])) as work:\n"
        "        (work / 'file').write_text('x')\n"
        "        (work / 'file').rename(work / 'other')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, env=child_environment()) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    assert list(tmp_path.iterdir()) == []


def test_a_relative_data_folder(idx_folder, tmp_path, monkeypatch, arrays):
    monkeypatch.chdir(tmp_path)
    fetch(SPEC, "here/data", from_=idx_folder)
    whole(Path("here/data"), arrays)


def test_a_folder_that_cannot_be_written(tmp_path, idx_folder):
    folder = Path("/proc/none") if os.geteuid() == 0 else tmp_path / "locked"
    if os.geteuid() != 0:
        folder.mkdir(mode=0o500)
    elif not Path("/proc/self").exists():
        pytest.skip("root can write everywhere here")
    with pytest.raises(DataError, match="cannot be used") as caught:
        fetch(SPEC, folder, from_=idx_folder)
    assert caught.value.exit_code == 1


def test_ready_data_in_a_folder_that_cannot_be_written(idx_folder, data_dir, arrays):
    fetch(SPEC, data_dir, from_=idx_folder)
    (data_dir / "tiny").chmod(0o500)
    data_dir.chmod(0o500)
    try:
        whole(data_dir, arrays)
        assert fetch(SPEC, data_dir).verified
    finally:
        data_dir.chmod(0o700)
        (data_dir / "tiny").chmod(0o700)
