"""Random search: each parameter by its own distribution."""

from __future__ import annotations

import numpy as np

from ffcli.sweeping.search.base import DRAWS, Proposal, Proposer, none_allowed


class RandomProposer(Proposer):
    """Each parameter by its own distribution; over a finite space without repeats."""

    def propose(self, number: int) -> Proposal:
        rng = self.generator(number)
        for _ in range(DRAWS):
            proposal = self.proposal(self.spec.sample(rng))
            if proposal is not None:
                return proposal
        return self.last_resort(rng)

    def last_resort(self, rng: np.random.Generator) -> Proposal:
        """Return any that was not tried. Raises FfnnError in an infinite space."""
        proposal = self.proposal(self.untried(rng)) if self.spec.size is not None else None
        if proposal is None:
            raise none_allowed()
        return proposal
