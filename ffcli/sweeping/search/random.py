"""Random search: each parameter by its own distribution."""

from __future__ import annotations

import numpy as np

from ffcli.sweeping.search.base import DRAWS, Proposal, Proposer


class RandomProposer(Proposer):
    """Each parameter by its own distribution; without repeats where it finds another."""

    def propose(self, number: int) -> Proposal:
        rng = self.generator(number)
        for _ in range(DRAWS):
            proposal = self.proposal(self.spec.sample(rng))
            if proposal is not None:
                return proposal
        return self.last_resort(rng)

    def last_resort(self, rng: np.random.Generator) -> Proposal:
        """Return any that was not tried; in an infinite space any. Raises FfnnError where none is valid."""
        proposal = self.proposal(self.untried(rng)) if self.spec.size is not None else None
        return proposal or self.repeated(self.spec, rng)
