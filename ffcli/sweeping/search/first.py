"""Known configurations as the first proposals of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ffcli.config import TrainConfig
from ffcli.sweeping.search.base import Known, Proposal
from ffcli.sweeping.search.methods import proposer
from ffcli.sweeping.spec.spec import SweepSpec


class FirstProposals:
    """Turns values of a sweep's space into its first proposals, none of which trains like another."""

    def __init__(self, spec: SweepSpec, seed: int) -> None:
        self._search = proposer(spec, seed)
        self._count = 0

    def complete(self, given: Mapping[str, Any]) -> Proposal | None:
        """Return the next proposal, which has the values ``given``; the others are drawn.

        None where there is such a proposal already and no other. Raises FfnnError where no draw is valid.
        """
        found = self._search.complete(self._count + 1, given)
        return None if found is None else self._take(found)

    def whole(self, values: Mapping[str, Any], config: TrainConfig) -> Proposal | None:
        """Return the next proposal, with just these values; None where there is such a proposal already."""
        return self._take(Proposal(values, config, self._search.point(values)))

    def _take(self, proposal: Proposal) -> Proposal | None:
        if self._search.has_tried(proposal.values):
            return None
        self._count += 1
        self._search.learn(Known(self._count, True, None, proposal.values, proposal.point))
        return proposal
