"""The context that commands pass to the services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffcli.cli.output import Output

if TYPE_CHECKING:
    from ffcli.training.context import Context


def context(out: Output) -> Context:
    """Return the context of the services for the command that prints to ``out``."""
    from ffcli.cli.views.progress import DownloadBars
    from ffcli.training.context import Context

    return Context(
        data_dir=out.settings.data_dir,
        runs_dir=out.settings.runs_dir,
        notify=out.notice,
        progress=DownloadBars(out) if out.live else None,
    )
