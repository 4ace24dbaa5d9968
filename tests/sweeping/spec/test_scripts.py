"""Sweeps in scripts and notebooks: read from the syntax tree, never run."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcli.errors import RequestError, SeveralSweepsError
from ffcli.sweeping.spec.spec import load_spec, parse_spec

PARAMETERS = '{"epochs": {"values": [1, 2]}, "lr": {"values": [1e-3, 1e-4]}}'
SWEEP = f'{{"method": "random", "metric": {{"name": "val_accuracy"}}, "parameters": {PARAMETERS}}}'


def script(folder: Path, text: str) -> Path:
    path = folder / "train.py"
    path.write_text(text)
    return path


def notebook(folder: Path, *cells: str) -> Path:
    path = folder / "a.ipynb"
    listed: list[dict[str, Any]] = [{"cell_type": "markdown", "source": ["# wandb.sweep({})"]}]
    listed += [{"cell_type": "code", "source": text.splitlines(keepends=True)} for text in cells]
    path.write_text(json.dumps({"cells": listed, "nbformat": 4}))
    return path


def fields(path: Path, choose: str | None = None) -> set[str]:
    return set(load_spec(path, choose=choose).parameters)


@pytest.mark.parametrize(
    "text",
    [
        f"wandb.sweep({SWEEP}, project='p')",
        f"c = {SWEEP}\nsweep_id = wandb.sweep(sweep=c, project='p')",
        f"c: dict = {SWEEP}\nif __name__ == '__main__':\n    sweep(c, project='p')",
        f"def main():\n    wandb.sweep(CONFIG, project='p')\nCONFIG = {SWEEP}\nmain()",
        f"def config():\n    return {SWEEP}\nwandb.sweep(config(), project='p')",
        f"p = {PARAMETERS}\nc = dict(method='random', parameters=p)\nwandb.sweep(c, project='p')",
        f"c = {{'method': 'random'}}\nc['parameters'] = p = {{}}\np.update({PARAMETERS})\n"
        "wandb.sweep(c, project='p')",
        f"base = {{'method': 'random'}}\nwandb.sweep({{**base, 'parameters': {PARAMETERS}}}, project='p')",
        f"try:\n    c = {SWEEP}\n    wandb.sweep(c, entity=entity, project='p')\nexcept Exception:\n    pass",
    ],
)
def test_what_sweep_gets_is_read(tmp_path, text):
    found = load_spec(script(tmp_path, f"import os, wandb\nos.mkdir('PWNED')\n{text}\n"))
    assert set(found.parameters) == {"epochs", "learning_rate"}
    assert found.project == "p"
    assert not (tmp_path / "PWNED").exists()
    assert not Path("PWNED").exists()
    assert parse_spec(found.text).parameters == found.parameters, "what is stored says the same"


def test_without_a_call_a_dict_that_looks_like_a_sweep_is_read(tmp_path):
    assert fields(script(tmp_path, f"other = {{'a': 1}}\nmine = {SWEEP}")) == {"epochs", "learning_rate"}


def test_a_notebook_with_magics_and_cells_of_other_languages(tmp_path):
    path = notebook(
        tmp_path,
        "!pip install wandb\n%matplotlib inline\nimport wandb\nwandb.login?",
        "%%bash\nls | grep x",
        "this is not ( python",
        f"if True:\n    !ls\nconfig = {SWEEP}",
        "sweep_id = wandb.sweep(config)",
    )
    assert fields(path) == {"epochs", "learning_rate"}


def test_several_sweeps_are_listed_and_chosen(tmp_path):
    other = '{"name": "Second one", "method": "grid", "parameters": {"seed": {"values": [1, 2]}}}'
    path = script(tmp_path, f"a = {SWEEP}\nb = {other}\nwandb.sweep(a)\nwandb.sweep(b)\n")
    with pytest.raises(SeveralSweepsError) as caught:
        load_spec(path)
    assert "a (line 3), b (line 4)" in str(caught.value)
    assert fields(path, "a") == {"epochs", "learning_rate"}
    assert fields(path, "4") == fields(path, "second_one") == fields(path, "B") == {"seed"}
    with pytest.raises(SeveralSweepsError, match="'c' is none"):
        load_spec(path, choose="c")


def test_the_same_sweep_under_two_names_is_one(tmp_path):
    path = script(tmp_path, f"def config():\n    c = {SWEEP}\n    return c\nmine = config()\n")
    assert fields(path) == {"epochs", "learning_rate"}


def test_one_that_no_call_gets_can_be_chosen_too(tmp_path):
    path = script(tmp_path, f"a = {SWEEP}\nb = {SWEEP.replace('epochs', 'seed')}\nwandb.sweep(a)\n")
    assert fields(path) == {"epochs", "learning_rate"}
    assert fields(path, "b") == {"seed", "learning_rate"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "c = {'method': 'grid',\n 'parameters': {'epochs': {'values': list(range(3))}}}\nwandb.sweep(c)",
            "line 2",
        ),
        ("c = {'method': 'random', 'parameters': read()}\nwandb.sweep(c)", "line 1"),
        ("c = yaml.safe_load(open('x'))\nwandb.sweep(c)", "line 2"),
        (
            "c = {'method': 'random', 'parameters': {}}\nc['parameters'].update(more())\nwandb.sweep(c)",
            "line 2",
        ),
        ("x = 1\nx = (", "line 2"),
    ],
)
def test_what_is_not_literal_is_refused_with_its_line(tmp_path, text, line):
    with pytest.raises(RequestError, match=line):
        load_spec(script(tmp_path, text))


@pytest.mark.parametrize(
    "text", ["", "x = 1", "def f(): return f()\nwandb.sweep(f())", "d = {}\nd['a'] = d\nwandb.sweep(d)"]
)
def test_where_there_is_none_it_is_said(tmp_path, text):
    with pytest.raises(RequestError):
        load_spec(script(tmp_path, text))


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"cells": 3}', b'{"cells": [3, {"cell_type": "code"}]}', b"\xff", b"["]
)
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=r"a\.ipynb: "):
        load_spec(path)


def test_a_small_script_makes_no_huge_dict(tmp_path):
    doubling = "".join(f"a{n} = [a{n - 1}, a{n - 1}]\n" for n in range(1, 60))
    with pytest.raises(RequestError):
        load_spec(
            script(tmp_path, f"a0 = 1\n{doubling}wandb.sweep({{'method': 'random', 'parameters': a59}})")
        )
    items = ", ".join(f"'k{n}': {n}" for n in range(5000))
    copies = "".join(f"c{n} = {{**a}}\n" for n in range(5000))
    with pytest.raises(RequestError, match="too many"):
        load_spec(script(tmp_path, f"a = {{{items}}}\n{copies}"))


@pytest.mark.parametrize(
    "text", ["(" * 5000, "-" * 50_000 + "1", "x = " + "[" * 150 + "]" * 150, "f" + "()" * 3000]
)
def test_deep_nesting_is_refused(tmp_path, text):
    with pytest.raises(RequestError):
        load_spec(script(tmp_path, text))


WORDS = st.sampled_from(
    "a = { } [ ] ( ) : , 'method' 'parameters' dict wandb.sweep **a 1 def_f(): return \n "
    "a.update 'x' - lambda: "
    "class_A: async for_a_in if_a:".replace("\n", "NEWLINE").split(" ")
).map(lambda word: word.replace("_", " ").replace("NEWLINE", "\n "))


@given(st.lists(WORDS, max_size=40).map(" ".join) | st.text(max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("scripts") / "a.py"
    path.write_text(text, "utf-8", errors="replace")
    with suppress(RequestError):
        load_spec(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)
LINES = st.sampled_from(
    [
        "c = {'method': 'random', 'parameters': {'lr': {'values': [1, 2]}}}\n",
        "%matplotlib inline\n",
        "!pip install wandb\n",
        "%%bash\n",
        "wandb.sweep(c)\n",
        "c['parameters']['epochs'] = {'value': 1}\n",
        "for a in b:\n",
        "    c = a?\n",
        "c.update(c)\n",
        "c['metric'] = c\n",
    ]
)
CELLS = st.fixed_dictionaries(
    {"cell_type": st.just("code") | JSON, "source": st.lists(LINES, max_size=6) | LINES | JSON},
    optional={"outputs": JSON},
)


@given(st.lists(CELLS | JSON, max_size=5) | JSON, st.booleans())
def test_any_notebook_is_read_or_refused(tmp_path_factory, cells, is_cut):
    path = tmp_path_factory.mktemp("notebooks") / "a.ipynb"
    text = json.dumps({"cells": cells, "nbformat": 4})
    path.write_text(text[: len(text) // 2] if is_cut else text)
    with suppress(RequestError):
        assert load_spec(path).space


@pytest.mark.parametrize(
    ("written", "values"),
    [("[10**-3, 1e-2]", (0.001, 0.01)), ("[1/8, 3*0.25]", (0.125, 0.75)), ("[0.5 - 0.25, 1 + 1]", (0.25, 2))],
)
def test_numbers_are_calculated(tmp_path, written, values):
    spec = load_spec(
        script(tmp_path, f"c = {{'method': 'grid', 'parameters': {{'lr': {{'values': {written}}}}}}}")
    )
    assert spec.parameters["learning_rate"].choices == values


@pytest.mark.parametrize("written", ["9**9**9", "1/0", "(-8)**0.5", "'a'*9", "True + 1", "2**99999", "[1]*3"])
def test_what_makes_no_number_is_refused(tmp_path, written):
    with pytest.raises(RequestError, match="line 1"):
        load_spec(
            script(tmp_path, f"c = {{'method': 'grid', 'parameters': {{'lr': {{'value': {written}}}}}}}")
        )


def test_a_name_that_is_computed_is_left_out(tmp_path):
    text = "c = {'name': f'sweep {today()}', 'method': 'grid', 'parameters': {'lr': {'value': 0.1}}}"
    spec = load_spec(script(tmp_path, f"{text}\nwandb.sweep(c, project=PROJECT)"))
    assert (spec.name, spec.project, spec.size) == (None, None, 1)
