"""The proposers by the method of a sweep file."""

from __future__ import annotations

from collections.abc import Callable

from ffcli.core.registry import Registry
from ffcli.sweeping.search.base import Proposer
from ffcli.sweeping.search.grid import GridProposer
from ffcli.sweeping.search.paired import PairedProposer
from ffcli.sweeping.search.random import RandomProposer
from ffcli.sweeping.spec.spec import SweepSpec

PROPOSERS: Registry[Callable[[SweepSpec, int], Proposer]] = Registry("method")
PROPOSERS.register("grid")(GridProposer)
PROPOSERS.register("random")(RandomProposer)


@PROPOSERS.register("bayes")
def _bayes(spec: SweepSpec, seed: int) -> Proposer:
    from ffcli.sweeping.search.bayes import BayesProposer  # Optuna loads only where it is used

    return BayesProposer(spec, seed)


def proposer(spec: SweepSpec, seed: int, paired: str | None = None) -> Proposer:
    """Return what proposes the configurations of a sweep; ``paired`` is the field to compare, if any."""
    method = PROPOSERS[spec.method]
    return method(spec, seed) if paired is None else PairedProposer(spec, seed, paired, method)
