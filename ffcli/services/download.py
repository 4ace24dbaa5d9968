"""``ffnn download``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ffcli.datasets import fetch
from ffcli.training.context import Context


def download(
    context: Context, datasets: Sequence[str], *, from_: str | None, source: str, force: bool
) -> list[dict[str, Any]]:
    """Fetch and verify each dataset.

    Returns {dataset, path, source, origin, verified, train, test} for each.
    """
    documents = []
    for name in datasets or ["fashion_mnist"]:
        fetched = fetch(
            name,
            context.data_dir,
            from_=from_,
            source=source,
            force=force,
            notify=context.notify,
            progress=context.progress,
        )
        documents.append(
            {
                "dataset": fetched.dataset,
                "path": str(fetched.path),
                "source": fetched.source,
                "origin": fetched.origin,
                "verified": fetched.verified,
                "train": fetched.train,
                "test": fetched.test,
            }
        )
    return documents
