"""What the commands show of a network, or of an ensemble, that was judged on test images."""

from __future__ import annotations

from typing import Any

from ffcli.cli.text import number, plain
from ffcli.cli.views.tables import Columns
from ffcli.util.text import counted


def judged_on(document: dict[str, Any]) -> str:
    """Return the end of a title: on which test images a network, or an ensemble, was judged."""
    return f"on the {counted(document['n'], 'test image')} of {plain(document['dataset'])}"


def judgement(document: dict[str, Any]) -> list[str]:
    """Return the figures of a judged network, or of an ensemble, in one to three lines."""
    lines = [f"accuracy {number(document['accuracy'])}, loss {number(document['loss'])}"]
    if document["tta"] or "members" in document:
        lines.append(
            "on the validation images: "
            f"accuracy {number(document['val_acc'])}, loss {number(document['val_loss'])}"
        )
    if document["tta"] and "members" in document:
        lines.append("test-time averaging over each run's own views of an image")
    elif document["tta"] and document["views"] > 1:
        lines.append(f"test-time averaging over {document['views']} views of an image")
    return lines


def per_class(document: dict[str, Any]) -> Columns:
    """Return the table of the classes."""
    heads = ["precision", "recall", "f1"]
    rows = [
        [row["name"], *(number(row[head]) for head in heads), row["support"]] for row in document["per_class"]
    ]
    return Columns(["class", *heads, "support"], rows, right=[*heads, "support"])
