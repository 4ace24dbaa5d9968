"""Grid search: every combination of a finite space once."""

from __future__ import annotations

from ffcli.sweeping.search.base import Proposal, Proposer


class GridProposer(Proposer):
    """Every combination once, in W&B's order."""

    _next = 0

    def propose(self, number: int) -> Proposal:
        while self._next in self._tried:
            self._next += 1
        proposal = self.proposal(self.spec.combination(self._next))
        assert proposal is not None
        return proposal
