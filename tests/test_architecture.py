"""The layers of the package and their imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ffcli

PACKAGE = Path(ffcli.__file__).parent

# The layers, from the command line down. A package imports from the lines below its own, never from its own
# line or from above.
LAYERS = (
    ("cli",),
    ("services",),
    ("sweeping", "plotting"),
    ("execution",),
    ("training",),
    ("tracking", "runs"),
    ("config",),
    ("datasets",),
    ("core",),
    ("errors",),
    ("util", "version"),
)
# The entry point and the facade, which looks names up in the layers when they are asked for.
EVERYTHING = {"__main__", "__init__"}
# What may import Numba, which is not always installed. No other module imports the last two before a
# training.
COMPILED = ("core.rules", "core.compiled", "core.fused")


def level(package: str) -> int:
    """Return how deep a package lies, 0 for the uppermost."""
    return next(depth for depth, packages in enumerate(LAYERS) if package in packages)


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


def upwards(module: str, source: str) -> list[str]:
    """Return the imports of a module that do not point to a lower layer."""
    package = module.split(".", maxsplit=1)[0]
    wrong = []
    for name in imported(source):
        top, _, rest = name.partition(".")
        below = rest.split(".")[0]
        if top == "ffcli":
            if below == package or package in EVERYTHING:
                continue
            if not below or level(below) <= level(package):
                wrong.append(name)
        elif package == "core" and top not in {"numpy", *sys.stdlib_module_names}:
            wrong += [] if top == "numba" and module in COMPILED else [name]
    return wrong


def test_every_package_has_its_layer():
    packages = {module.split(".")[0] for module, _ in modules()} - EVERYTHING
    assert packages <= {package for layer in LAYERS for package in layer}


@pytest.mark.parametrize(("module", "source"), modules(), ids=[module for module, _ in modules()])
def test_imports_point_downwards(module, source):
    assert upwards(module, source) == []


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("core.losses", "import scipy.special", "scipy.special"),
        ("core.losses", "def f():\n    from ffcli import config", "ffcli.config"),
        ("core.losses", "def f():\n    import numba", "numba"),
        ("datasets.idx", "import ffcli.config", "ffcli.config"),
        ("config", "from ffcli.training.experiment import Experiment", "ffcli.training.experiment"),
        ("runs.store", "if True:\n    from ffcli.services.train import plan", "ffcli.services.train"),
        ("plotting.style", "from ffcli.sweeping.spec.spec import Metric", "ffcli.sweeping.spec.spec"),
        ("services.train", "from ffcli.cli import app", "ffcli.cli"),
    ],
)
def test_an_import_upwards_is_found(module, source, wrong):
    assert upwards(module, source) == [wrong]


def test_imports_downwards_are_allowed():
    assert (
        upwards("core.losses", "import math\nimport numpy as np\nfrom ffcli.core.buffers import Array") == []
    )
    assert upwards("cli.app", "import typer\nfrom ffcli.version import __version__") == []
    assert upwards("core.rules", "from ffcli.errors import FfnnError") == []


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the sets of modules that import one another, however indirectly."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += graph[name]
        return seen

    reach = {name: reached(name) for name in graph}
    found = {
        tuple(sorted({name, *(other for other in reach[name] if name in reach[other])}))
        for name in graph
        if name in reach[name]
    }
    return [list(group) for group in sorted(found)]


def import_graph() -> dict[str, set[str]]:
    sources = {f"ffcli.{module}".removesuffix(".__init__"): source for module, source in modules()}
    graph: dict[str, set[str]] = {}
    for name, source in sources.items():
        graph[name] = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & set(sources)
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    graph[name] |= {whole if whole in sources else node.module} & set(sources)
    return graph


def test_no_import_cycles():
    """Imports within functions and under TYPE_CHECKING count; the facade's do not."""
    graph = import_graph()
    graph["ffcli"] = set()
    assert cycles(graph) == []


def test_a_cycle_is_found():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


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
        if module not in ("util.safe_read", "config.recipes"):
            assert not {"yaml.safe_load", "yaml.SafeLoader"} & set(called(source)), module


def test_wandb_is_imported_where_tracking_is():
    for module, source in modules():
        if module.split(".")[0] not in ("tracking", "sweeping"):
            assert not any(name.split(".")[0] == "wandb" for name in imported(source)), module


def bare_flags(source: str) -> list[str]:
    """Return the texts of a module that name a flag, other than in a command that can be typed."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    inner = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    inner |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
    found = []
    for node in nodes:
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        flag = re.search(r"(?<!\S)--[a-z]", text) if id(node) not in inner else None
        if flag and " " in text and not re.search(r"\b(ffnn|wandb|dask) ", text[: flag.start()]):
            found.append(text)
    return found


def test_a_flag_is_found():
    assert bare_flags('raise E(f"give --data-dir {x}")') == ["give --data-dir …"]
    assert bare_flags('"""Not --this."""\nhint = f"ffnn runs rm {x} --yes"\nargv = ["--host", x]') == []


@pytest.mark.parametrize(("module", "source"), modules(), ids=[module for module, _ in modules()])
def test_lower_layers_name_no_flags(module, source):
    """They name parameters, which the command line words as flags."""
    if module.split(".")[0] not in {"cli", *EVERYTHING}:
        assert bare_flags(source) == []


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
    """Each module of it but the two that Numba compiles, which nothing imports before a training begins."""
    names = [f"ffcli.{module}" for module, _ in modules() if module.startswith("core.")]
    names = [name for name in names if name not in ("ffcli.core.compiled", "ffcli.core.fused")]
    names = [name.removesuffix(".__init__") for name in names]
    loaded = loaded_by("; ".join(f"import {name}" for name in names))
    numpy_alone = loaded_by("import numpy, numpy.random")
    third_party = {name for name in loaded - numpy_alone if name not in sys.stdlib_module_names}
    assert third_party - {"ffcli"} == set()
    assert "pydantic" not in loaded
