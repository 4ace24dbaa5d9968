"""What tables show where the terminal is too narrow for them: nothing is missing without a word."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from cli_helpers import Cli, bare, on_terminal
from rich.cells import cell_len
from rich.console import Console

from ffcli.cli.views.tables import Columns

ID = "20260101-000000-000-aaaa"
NAME = "run_hl-3_bs-32_act-relu_opt-adam"


def at(width: int, table: Columns) -> list[str]:
    """Return the lines of a table on a terminal of so many columns."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in bare(text).splitlines()]


def runs(**settings: object) -> Columns:
    rows = [[ID, "finished", "0.8930", NAME, 10], [ID[:-4] + "bbbb", "diverged", "–", "a name", None]]
    heads = ["run", "status", "val_acc", "name", "size"]
    return Columns(heads, rows, right=["val_acc", "size"], **settings)  # type: ignore[arg-type]


class TestWhatDoesNotFit:
    def test_what_fits_is_one_line_a_row(self) -> None:
        settings = {"cut": ["name"], "spare": ["size"]}
        wide = at(200, runs(**settings))
        assert wide == at(83, runs(**settings)) == at(83, runs())
        assert wide == [
            "run                       status    val_acc  name                              size",
            f"{ID}  finished   0.8930  {NAME}    10",
            f"{ID[:-4]}bbbb  diverged        –  a name                               –",
        ]

    def test_it_goes_to_further_lines_of_the_row(self) -> None:
        assert at(82, runs()) == [
            "run                       status    val_acc  name",
            "    size",
            f"{ID}  finished   0.8930  {NAME}",
            "      10",
            f"{ID[:-4]}bbbb  diverged        –  a name",
            "       –",
        ]
        assert at(50, runs())[:4] == [
            "run                       status    val_acc",
            "    name                              size",
            f"{ID}  finished   0.8930",
            f"    {NAME}    10",
        ]

    def test_spare_columns_are_left_out_and_named(self) -> None:
        lines = at(82, runs(spare=["size"]))
        assert lines[:2] == [
            "run                       status    val_acc  name",
            f"{ID}  finished   0.8930  {NAME}",
        ]
        assert lines[3:] == ["size: in a wider terminal or with --json"]
        assert at(60, runs(spare=["name", "size"], elsewhere="by post"))[3:] == [
            "name: in a wider terminal or by post"
        ]
        assert at(48, runs(spare=["name", "size"]))[-1] == "name, size: in a wider terminal or with --json"

    def test_of_the_spare_ones_the_first_stay_the_longest(self) -> None:
        assert at(77, runs(spare=["size", "status"]))[-1].startswith("status: in")
        assert at(77, runs(spare=["status", "size"]))[-1].startswith("size: in")

    def test_a_name_is_shortened_where_that_is_enough(self) -> None:
        lines = at(70, runs(cut=["name"], spare=["size"]))
        assert lines[1] == f"{ID}  finished   0.8930  {NAME[:24]}…"
        assert lines[2].endswith("a name")
        assert lines[3].startswith("size: in")
        assert at(70, runs(ends=["name"], spare=["size"]))[1].endswith(f"0.8930  …{NAME[-24:]}")
        assert at(56, runs(cut=["name"], spare=["size"]))[2:4] == [
            f"{ID}  finished   0.8930",
            f"    {NAME}",
        ]

    def test_a_long_name_costs_no_other_column(self) -> None:
        table = Columns(["run", "name", "size"], [[ID, "n" * 500, 10]], cut=["name"], spare=["size"])
        assert at(80, table)[1] == f"{ID}  {'n' * 47}…  10"

    def test_a_long_text_is_wrapped_in_its_place_or_below(self) -> None:
        text = "the defaults, three layers and nothing else"
        assert at(40, Columns(["recipe", "what it is"], [["plain", text], ["fast", ""]])) == [
            "recipe  what it is",
            "plain   the defaults, three layers and",
            "        nothing else",
            "fast",
        ]
        table = Columns(["recipe", "val_acc", "what it is"], [["a-longer-name", 0.5, text]])
        assert at(30, table) == [
            "recipe         val_acc",
            "    what it is",
            "a-longer-name  0.5",
            "    the defaults, three layers",
            "    and nothing else",
        ]

    def test_a_text_breaks_no_word_while_there_is_room_below(self) -> None:
        table = Columns(["recipe", "what it is"], [["a-longer-name", "an incomprehensibility"], ["fast", ""]])
        assert at(30, table) == [
            "recipe",
            "    what it is",
            "a-longer-name",
            "    an incomprehensibility",
            "fast",
        ]

    def test_a_number_is_never_wrapped(self) -> None:
        table = Columns(["name", "n"], [["x" * 14, "123 456 789 012"]], right=["n"])
        assert at(30, table) == ["name", "                  n", "x" * 14, "    123 456 789 012"]

    def test_further_lines_have_room_for_less(self) -> None:
        table = Columns(["a", "b", "c"], [["x" * 28, "y" * 20, "z" * 6]])
        assert at(30, table)[-3:] == ["x" * 28, f"    {'y' * 20}", f"    {'z' * 6}"]

    @pytest.mark.parametrize("width", [20, 24, 30, 47, 80, 120])
    def test_whatever_the_width_no_id_is_shortened(self, width: int) -> None:
        for table in (runs(), runs(cut=["name"]), runs(spare=["size", "name"])):
            lines = at(width, table)
            assert max(map(cell_len, lines)) <= width
            assert ID in "".join(lines)
            assert width < len(ID) or any(line.startswith(ID) for line in lines)


def record(store: Path, run_id: str, **values: object) -> None:
    path = store / "runs" / run_id
    path.mkdir(parents=True)
    about = {
        "run_id": run_id,
        "name": NAME,
        "status": "finished",
        "dataset": "fashion_mnist",
        "config": {"epochs": 10},
        "started": "2026-01-01T00:00:00.000Z",
        "best_epoch": 7,
        "best_val_acc": 0.893,
        "seconds": 185.0,
        "tags": ["sweep"],
    }
    (path / "summary.json").write_text(json.dumps({**about, **values}))


def seen_at(folder: Path, columns: int, *args: str) -> list[str]:
    code, seen = on_terminal(folder, *args, columns=columns)
    assert code == 0, seen
    return [line.rstrip() for line in bare(seen).replace("\r", "").splitlines()]


def widest(lines: list[str]) -> int:
    return max(map(cell_len, lines))


def test_runs_are_listed_with_what_tells_them_apart(tmp_path: Path) -> None:
    record(tmp_path, ID)
    later = "2026-01-02T00:00:00.000Z"
    record(tmp_path, ID[:-4] + "bbbb", status="interrupted", name="n" * 70, started=later)
    lines = seen_at(tmp_path, 80, "runs", "list")
    assert widest(lines) <= 80
    assert lines[0].split() == ["run", "status", "val_acc", "name"]
    assert lines[1].split()[:3] == [ID[:-4] + "bbbb", "interrupted", "0.8930"]
    assert lines[2].split() == [ID, "finished", "0.8930", NAME]
    assert lines[3:] == ["dataset, best epoch, tags, time, size: in a wider terminal or with --columns"]
    wide = seen_at(tmp_path, 200, "runs", "list")
    assert re.split(" {2,}", wide[0])[3:] == ["best epoch", "time", "size", "dataset", "name", "tags"]
    assert len(wide) == 3
    record(tmp_path, ID[:-4] + "cccc", name="run_hl-2_bs-128_act-sigmoid_opt-nesterov")
    lines = seen_at(tmp_path, 80, "runs", "list")
    assert any(line.endswith("  …bs-128_act-sigmoid_opt-nesterov") for line in lines)


def test_runs_rm_says_where_the_rest_is(tmp_path: Path) -> None:
    record(tmp_path, ID)
    lines = seen_at(tmp_path, 80, "runs", "rm", "--status", "finished", "--dry-run")
    assert "in a wider terminal or with runs list --json" in " ".join(lines)


def words(lines: list[str]) -> list[str]:
    return sorted(" ".join(lines).split())


def test_each_recipe_is_described_to_the_end(tmp_path: Path, cli: Cli) -> None:
    lines = seen_at(tmp_path, 80, "train", "--recipe", "list")
    assert words(lines) == words(cli("train", "--recipe", "list").out.splitlines())
    assert widest(lines) <= 80
    assert lines[0].split("  ")[-1].strip() == "time"


WIDE = """
method: random
metric: {name: val_acc, goal: maximize}
name: a name that is far too long for the list of sweeps in eighty columns
parameters:
  dataset: {value: tiny.npz}
  epochs: {values: [1, 2]}
  batch_size: {values: [16, 32]}
  hidden_size: {values: [4, 8]}
  num_layers: {values: [1, 2]}
  optimizer: {values: [momentum, nesterov, adam]}
  activation: {values: [tanh, sigmoid, relu]}
  weight_init: {values: [random, xavier]}
  weight_decay: {values: [0, 0.0005]}
  learning_rate: {values: [0.01, 0.02]}
"""


@pytest.fixture
def sweep(tmp_path: Path, tiny: Path, cli: Cli) -> str:
    (tmp_path / "wide.yaml").write_text(WIDE.replace("tiny.npz", tiny.name))
    done = cli("sweep", "wide.yaml", "--count", "3", "--workers", "1", "--json")
    assert done.code == 0, done.err
    return str(json.loads(done.out)["sweep_id"])


def test_a_sweep_is_shown_with_all_that_was_searched(tmp_path: Path, cli: Cli, sweep: str) -> None:
    lines = seen_at(tmp_path, 80, "sweeps", "show", sweep)
    piped = cli("sweeps", "show", sweep).out.splitlines()
    assert words(lines) == words(piped)
    commands = ("stored in ", "the best on ", "resume it: ")  # may be copied, so they are never broken
    assert widest([line for line in lines if not line.startswith(commands)]) <= 80
    top = [line for line in piped if re.match(r" ?[01]\.\d{4}  ", line)]
    assert len(top) == 3
    for line in top:
        value, run_id = line.split()[:2]
        assert any(seen.split()[:2] == [value, run_id] for seen in lines)
    listed = seen_at(tmp_path, 80, "sweeps", "list")
    assert widest(listed) <= 80
    assert listed[0].split() == ["sweep", "state", "finished", "of", "best", "name"]
    row = rf"{sweep}  ended +3 +3  [01]\.\d{{4}}  a name that is far .*…"
    assert re.fullmatch(row, listed[1])
    assert listed[2:] == ["method, failed, pruned, metric: in a wider terminal or with --json"]


def tops(cli: Cli, *args: object) -> dict[str, str]:
    """Return where the records of the best runs are, by --json, having looked whether the table agrees."""
    top = json.loads(cli("sweeps", "show", *args, "--json").out)["top"]
    lines = [line.strip() for line in cli("sweeps", "show", *args).out.splitlines()]
    shown = "  record  " in " ".join(lines)
    assert shown is bool({"removed"} & {trial["record"] for trial in top})
    for trial in top:
        mark = "" if trial["record"] in (None, "here") else f"  {trial['record']} "
        row = f"{trial['value']:.4f}  {trial['run_id'] or '–'}{mark}"
        assert any(line.startswith(row) for line in lines), (row, lines)
    return {trial["run_id"]: trial["record"] for trial in top}


def test_runs_that_are_gone_are_marked_in_their_sweep(cli: Cli, sweep: str) -> None:
    first, second, third = tops(cli, sweep)
    assert tops(cli, sweep) == {first: "here", second: "here", third: "here"}
    assert cli("runs", "rm", second, third, "--yes").code == 0
    assert tops(cli, sweep) == {first: "here", second: "removed", third: "removed"}
    (listed,) = json.loads(cli("sweeps", "list", "--json").out)
    assert [trial["record"] for trial in listed["top"]] == ["here", "removed", "removed"]


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1", "TERM": "dumb", "COLUMNS": "40"}])
def test_nothing_is_cut_on_a_pipe(tmp_path: Path, process: Cli, variables: dict[str, str]) -> None:
    record(tmp_path, ID, name="n" * 300, dataset="d" * 100, tags=["t" * 100])
    head, row = bare(process("runs", "list", **variables).out).splitlines()
    heads = ["run", "status", "val_acc", "best epoch", "time", "size", "dataset", "name", "tags"]
    assert re.split(" {2,}", head.strip()) == heads
    assert row.split()[-3:] == ["d" * 100, "n" * 300, "t" * 100]
