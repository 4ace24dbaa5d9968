"""``ffnn download``: datasets fetched and verified."""

from __future__ import annotations

from collections.abc import Sequence

from ffcli.datasets import Fetched, fetch
from ffcli.training.context import Context


def download(
    context: Context, datasets: Sequence[str], *, from_: str | None, source: str, force: bool
) -> list[Fetched]:
    """Fetch and verify each dataset. Raises RequestError and DataError as `fetch` does."""
    return [
        fetch(
            name,
            context.data_dir,
            from_=from_,
            source=source,
            force=force,
            notify=context.notify,
            progress=context.progress,
        )
        for name in datasets or ["fashion_mnist"]
    ]
