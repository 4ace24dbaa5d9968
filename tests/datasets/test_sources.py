from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from tiny_datasets import python_path, tiny_spec, write_idx

from ffcli.datasets import KNOWN, fetch, load_dataset
from ffcli.datasets import download as fetching
from ffcli.datasets.catalog import DebianPackage
from ffcli.datasets.http import Web
from ffcli.datasets.sources import SOURCES, Candidate, keras, source
from ffcli.errors import DataError

PACKAGED = tiny_spec(debian=DebianPackage("tiny-package", "usr/share/tiny"))

# Stands in for apt-get: knows the package once the lists are where `update` was told to put them.
APT_GET = """#!/bin/sh
echo "$@" >> "$LOG"
cp apt.conf "$LOG.conf"
case "$*" in
*update*) [ "$MODE" = closed ] && { echo "E: no network" >&2; exit 100; }; echo fresh > apt/lists/fresh ;;
*download*)
  [ "$MODE" = fresh ] || [ -e apt/lists/fresh ] || { echo "E: Unable to locate" >&2; exit 100; }
  [ "$MODE" = empty ] || cp "$PACKAGE" tiny-package_1_all.deb ;;
esac
"""
DPKG_DEB = """#!/bin/sh
[ "$1" = -x ] && mkdir -p "$3" && tar -xf "$2" -C "$3"
"""


@pytest.fixture
def debian(tmp_path, arrays, monkeypatch):
    """Put stand-ins for Debian's tools before all others, and return a function that sets how they behave."""
    root = tmp_path / "root"
    write_idx(root / "usr/share/tiny", arrays)
    subprocess.run(["tar", "-cf", str(tmp_path / "package"), "-C", str(root), "usr"], check=True)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in (("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PACKAGE", str(tmp_path / "package"))
    return lambda mode: monkeypatch.setenv("MODE", mode)


@pytest.mark.parametrize(
    ("mode", "calls"), [("fresh", ["download"]), ("stale", ["download", "update", "download"])]
)
def test_debian_package(debian, tmp_path, data_dir, mode, calls):
    debian(mode)
    got = fetch(PACKAGED, data_dir, source="debian")
    assert (got.source, got.origin) == ("debian", "package tiny-package")
    assert load_dataset(PACKAGED, data_dir, source="local").n_features == 784
    log = (tmp_path / "log").read_text().splitlines()
    assert [next(word for word in line.split() if word in ("update", "download")) for line in log] == calls
    assert ("Dir::State::Lists" in (tmp_path / "log.conf").read_text()) == (mode == "stale")


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("closed", "apt-get download failed: Unable to locate; apt-get update failed: no network"),
        ("empty", "left no package"),
    ],
)
def test_debian_package_that_cannot_be_had(debian, data_dir, mode, message):
    debian(mode)
    with pytest.raises(DataError, match=message):
        fetch(PACKAGED, data_dir, source="debian")
    assert list(data_dir.iterdir()) == []


def test_debian_without_its_tools(data_dir, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="apt-get is not on this machine"):
        fetch(PACKAGED, data_dir, source="debian")


KERAS = """
import types, numpy
def load_data():
    {body}
datasets = types.SimpleNamespace(tiny=types.SimpleNamespace(load_data=load_data))
"""


@pytest.fixture
def fake_keras(tmp_path, arrays, monkeypatch):
    """Return a function that puts a module before the real Keras, in other processes."""
    np.savez(tmp_path / "kept.npz", **arrays)
    (tmp_path / "modules").mkdir()
    monkeypatch.setenv("PYTHONPATH", python_path(tmp_path / "modules"))
    monkeypatch.setattr(keras.importlib.util, "find_spec", lambda name: name)

    def put(body):
        (tmp_path / "modules" / "keras.py").write_text(KERAS.format(body=body))

    return put


def test_keras(fake_keras, tmp_path, data_dir, arrays):
    fake_keras(
        f"a = numpy.load({str(tmp_path / 'kept.npz')!r}); "
        "return (a['x_train'], a['y_train']), (a['x_test'], a['y_test'])"
    )
    got = fetch(tiny_spec(keras="tiny"), data_dir, source="keras")
    assert (got.source, got.origin) == ("keras", "keras.datasets.tiny")
    assert np.array_equal(load_dataset(tiny_spec(), data_dir).x_test, arrays["x_test"])


def test_keras_that_fails(fake_keras, data_dir):
    fake_keras("raise OSError('URL fetch failure')")
    with pytest.raises(DataError, match="Keras failed: OSError: URL fetch failure"):
        fetch(tiny_spec(keras="tiny"), data_dir, source="keras")


def test_keras_where_it_is_not_installed(data_dir, monkeypatch):
    monkeypatch.setattr(keras.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataError, match="TensorFlow is not installed"):
        fetch(tiny_spec(keras="tiny"), data_dir, source="keras")


def test_a_new_source_is_one_function(idx_folder, data_dir, monkeypatch):
    monkeypatch.setattr(SOURCES, "_items", dict(SOURCES._items))
    monkeypatch.setattr(SOURCES, "_names", dict(SOURCES._names))

    @source("attic", rank=5)
    def attic(_spec, _web):
        yield Candidate("the attic", lambda _work: idx_folder)

    got = fetch(tiny_spec(), data_dir)
    assert (got.source, got.origin) == ("attic", "the attic")


def test_importing_the_package_is_light():
    script = "import sys, ffcli.datasets; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"requests", "urllib3", "pooch", "tensorflow", "keras", "rich", "pydantic"}
    assert heavy.isdisjoint(done.stdout.split())


SHARED = Path(os.environ.get("FFNN_TEST_SHARED") or "not-given")


def real_places(name, place):
    return pytest.param(name, place, marks=pytest.mark.skipif(not place.exists(), reason=f"no {place}"))


@pytest.mark.parametrize(
    ("name", "place"),
    [
        real_places("fashion_mnist", Path("/usr/share/datasets/fashion-mnist")),
        real_places("mnist", SHARED / "data" / "mnist.npz"),
    ],
)
def test_the_real_data(name, place, data_dir):
    got = fetch(name, data_dir, from_=place)
    assert (got.dataset, got.verified, got.train, got.test) == (name, True, 60000, 10000)
    dataset = load_dataset(name, data_dir)
    assert dataset.x_train.shape == (60000, 28, 28)
    assert dataset.class_names == KNOWN[name].class_names
    # Facts of the published data: the first training label, and how often each class is tested.
    assert dataset.y_train[0] == {"fashion_mnist": 9, "mnist": 5}[name]
    if name == "fashion_mnist":
        assert np.all(np.bincount(dataset.y_test) == 1000)


@pytest.mark.network
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get")
def test_the_real_debian_package_without_any_lists(data_dir, tmp_path, monkeypatch):
    for name in ("probe", "lists"):
        (tmp_path / name / "partial").mkdir(parents=True)
        (tmp_path / f"{name}.conf").write_text(f'Dir::State::Lists "{tmp_path / name}";\n')
    update = ["apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update"]
    probe = {**os.environ, "APT_CONFIG": str(tmp_path / "probe.conf")}
    if subprocess.run(update, env=probe, capture_output=True, check=False).returncode:
        pytest.skip("no package mirror is reachable from here")
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "lists.conf"))
    assert fetch("fashion_mnist", data_dir, source="debian").verified


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "mirror"),
    [(name, mirror) for name in ("fashion_mnist", "mnist") for mirror in KNOWN[name].mirrors],
)
def test_every_real_mirror(name, mirror, tmp_path, monkeypatch):
    try:
        socket.create_connection((urlsplit(mirror).hostname, 443), timeout=3).close()
    except OSError as error:
        pytest.skip(f"not reachable from here: {error}")
    monkeypatch.setattr(fetching, "Web", Web)  # with its usual patience
    assert fetch(replace(KNOWN[name], mirrors=(mirror,)), tmp_path, source="mirror").verified
