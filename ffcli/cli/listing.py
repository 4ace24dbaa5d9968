"""The options of lists, and their output as a table, CSV or Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from ffcli.cli.completion import words
from ffcli.cli.help import CHOICE, OUTPUT, option
from ffcli.cli.output import Output, refuse
from ffcli.cli.text import plain
from ffcli.cli.values import one_of
from ffcli.cli.views.tables import Columns
from ffcli.util.atomic_files import csv_text

FORMATS = ("table", "csv", "markdown")
Where = Annotated[
    list[str] | None,
    option(
        "--where CONDITION",
        CHOICE,
        "Only those that meet it: optimizer=adam, 'lr<0.01', 'val_acc>=0.9'; can be repeated.",
    ),
]
ColumnNames = Annotated[str | None, option("--columns NAME[,NAME…]", OUTPUT, "Show these columns.")]
Format = Annotated[
    str | None,
    option(
        "--format NAME",
        OUTPUT,
        "Output format: table, csv or markdown.",
        default="table",
        completes=words(*FORMATS),
    ),
]


def table_format(out: Output, name: str | None, columns: str | None) -> str:
    """Return the format that is meant. Raises RequestError, also for --columns beside --json."""
    for label, given in (("--format", name), ("--columns", columns)):
        if given is not None and out.settings.json:
            refuse(f"{label} formats the list for people: expected it or --json, got both.")
    return "table" if name is None else one_of("--format", name, FORMATS)


def show_list(
    out: Output, kind: str, document: Any, table: Columns, heads: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Print a list: ``table`` in a format for people, ``heads`` and ``rows`` as CSV with unrounded values."""
    if kind == "csv":
        safe = ([plain(each) if isinstance(each, str) else each for each in row] for row in rows)
        print(csv_text([list(heads), *safe]), end="")
    elif kind == "markdown":
        print(table.markdown)
    else:
        out.result(document, table)
