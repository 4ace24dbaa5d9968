"""The rooms and the arrows between them, read from the imports, as docs and design have them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ffcli

PACKAGE = Path(ffcli.__file__).parent

# Each room and those it may import from, itself aside. A new room must be put in its place here.
_BELOW_CONFIG = {"core", "datasets"}
_CONFIG_LEVEL = {"config", "experiment"}
_RECORDS = {"runs", "tracking", "sweeping", "plotting"}
ARROWS: dict[str, set[str]] = {
    "core": set(),
    "datasets": {"core"},
    "config": _BELOW_CONFIG,
    "experiment": _BELOW_CONFIG | {"config"},
    **dict.fromkeys(_RECORDS, _BELOW_CONFIG | _CONFIG_LEVEL),
    "services": _BELOW_CONFIG | _CONFIG_LEVEL | _RECORDS,
    "cli": _BELOW_CONFIG | _CONFIG_LEVEL | _RECORDS | {"services"},
    "__main__": {"cli"},
    # The front door looks names up in the rooms when they are asked for.
    "__init__": {"config", "core", "datasets", "experiment", "services"},
    "errors": set(),
    "files": set(),
    "masking": set(),
    "signals": set(),
    "untrusted": set(),
    "wording": set(),
}
# Usable by every room but core, which stands alone; the version is the package's own.
COMMON = {"errors", "files", "masking", "signals", "untrusted", "wording", "__version__"}


def modules() -> list[tuple[str, str]]:
    """Return (dotted name below the package, source) of every module."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        found.append((".".join(path.relative_to(PACKAGE).with_suffix("").parts), path.read_text("utf-8")))
    return found


def imported(source: str) -> Iterator[str]:
    """Yield the dotted name of everything a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here, so that this test can read them"
            if node.module == "ffcli":
                yield from (f"ffcli.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def backwards(module: str, source: str) -> list[str]:
    """Return the imports of a module that its room has no arrow for."""
    room = module.split(".", maxsplit=1)[0]
    allowed = ARROWS[room] | {room} | (set() if room in ("core", "errors") else COMMON)
    wrong = []
    for name in imported(source):
        top, _, rest = name.partition(".")
        if top == "ffcli":
            if rest and rest.split(".")[0] not in allowed and name != "ffcli.core.registry":
                wrong.append(name)
        elif room == "core" and top != "numpy" and top not in sys.stdlib_module_names:
            wrong.append(name)
    return wrong


def test_every_room_has_its_place():
    assert {module.split(".")[0] for module, _ in modules()} <= set(ARROWS)


@pytest.mark.parametrize(("module", "source"), modules(), ids=[module for module, _ in modules()])
def test_no_arrow_points_backwards(module, source):
    assert backwards(module, source) == []


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("core.losses", "import scipy.special", "scipy.special"),
        ("core.losses", "from ffcli.errors import FfnnError", "ffcli.errors"),
        ("core.losses", "def f():\n    from ffcli import config", "ffcli.config"),
        ("datasets.idx", "import ffcli.config", "ffcli.config"),
        ("config", "from ffcli.experiment import Experiment", "ffcli.experiment"),
        ("runs.store", "if True:\n    from ffcli.services.train import plan", "ffcli.services.train"),
        ("sweeping.local", "from ffcli.runs.store import RunStore", "ffcli.runs.store"),
        ("services.train", "from ffcli.cli import app", "ffcli.cli"),
    ],
)
def test_an_arrow_backwards_would_be_seen(module, source, wrong):
    assert backwards(module, source) == [wrong]


def test_an_arrow_forwards_is_let_through():
    assert (
        backwards("core.losses", "import math\nimport numpy as np\nfrom ffcli.core.buffers import Array")
        == []
    )
    assert (
        backwards("cli.app", "import typer\nfrom ffcli import __version__\nfrom ffcli.config import FIELDS")
        == []
    )
    assert backwards("files", "from ffcli.core.registry import nearest") == []


def called(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
            yield from (f"{keyword.arg}={ast.unparse(keyword.value)}" for keyword in node.keywords)


def test_only_the_command_line_prints():
    for module, source in modules():
        if module.split(".")[0] not in ("cli", "__main__"):
            assert not {"print", "sys.stdout.write", "sys.stderr.write"} & set(called(source)), module


def test_nothing_runs_what_it_reads():
    for module, source in modules():
        assert runs_what_it_reads(source) == set(), module


def runs_what_it_reads(source: str) -> set[str]:
    """Return what of a source could run, or load as objects, what stands in a file or an answer."""
    calls = set(called(source))
    banned = {
        *("eval", "exec", "compile", "__import__", "tempfile.mktemp", "shell=True", "allow_pickle=True"),
        *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "verify=False"),
        *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.Loader"),
        *("yaml.FullLoader", "yaml.UnsafeLoader", "multiprocessing.connection.Client"),
        *("multiprocessing.connection.Listener", "ssl._create_unverified_context"),
    }
    found = banned & calls
    found |= {call for call in calls if call.startswith(("os.spawn", "os.exec", "pickle.", "Loader="))}
    found |= {"pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle", "pty"} & set(imported(source))
    if "np.load" in calls and "allow_pickle=False" not in calls:
        found.add("np.load")
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("eval(text)", "eval"),
        ("import yaml\nyaml.load(text)", "yaml.load"),
        ("subprocess.run(text, shell=True)", "shell=True"),
        ("os.execvp(text)", "os.execvp"),
        ("import pickle", "pickle"),
        ("np.load(path)", "np.load"),
        ("np.load(path, allow_pickle=True)", "allow_pickle=True"),
        ("requests.get(url, verify=False)", "verify=False"),
    ],
)
def test_what_runs_what_it_reads_would_be_seen(source, found):
    assert found in runs_what_it_reads(source)


def test_yaml_of_others_is_read_in_one_place():
    """There it is bounded; the recipes are the package's own."""
    for module, source in modules():
        if module not in ("untrusted", "config.recipes"):
            assert not {"yaml.safe_load", "yaml.SafeLoader"} & set(called(source)), module


def test_wandb_is_imported_where_tracking_is():
    for module, source in modules():
        if module.split(".")[0] not in ("tracking", "sweeping"):
            assert not any(name.split(".")[0] == "wandb" for name in imported(source)), module


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a new interpreter holds after ``code``."""
    probe = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return set(done.stdout.split())


def test_importing_the_package_alone_loads_nothing_heavy():
    loaded = loaded_by("import ffcli; ffcli.__version__")
    assert "ffcli" in loaded
    assert not loaded & {"numpy", "pydantic", "typer", "rich", "yaml", "importlib_metadata"}


def test_the_core_loads_numpy_and_no_other_package():
    """Each module of it, whatever it imports and when."""
    names = [f"ffcli.{module}" for module, _ in modules() if module.startswith("core.")]
    names = [name.removesuffix(".__init__") for name in names]
    loaded = loaded_by("; ".join(f"import {name}" for name in names))
    numpy_alone = loaded_by("import numpy, numpy.random")
    third_party = {name for name in loaded - numpy_alone if name not in sys.stdlib_module_names}
    assert third_party - {"ffcli"} == set()
    assert "pydantic" not in loaded
