"""Sweeps whose trials come in pairs that differ in one parameter only, to compare its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ffcli.sweeping.search.base import Known, Proposal, Proposer
from ffcli.sweeping.spec.spec import SweepSpec


class PairedProposer(Proposer):
    """Each configuration with every value of one field, in consecutive trials.

    The file's method, random or grid, proposes configurations of the other parameters: its first is that of
    the trials 1 and 2 (where the field has two values), its second that of 3 and 4.
    """

    def __init__(
        self, spec: SweepSpec, seed: int, field: str, method: Callable[[SweepSpec, int], Proposer]
    ) -> None:
        super().__init__(spec, seed)
        self._field = field
        self._choices = spec.parameters[field].choices
        others = {name: parameter for name, parameter in spec.space.items() if name != field}
        self._others = method(replace(spec, space=others), seed)

    def learn(self, trial: Known) -> None:
        # Until the last of them has come, the same configuration has to be proposed again.
        if trial.number % len(self._choices) == 0:
            self._others.learn(trial)

    def propose(self, number: int) -> Proposal:
        index, turn = divmod(number - 1, len(self._choices))
        drawn = {**self._others.propose(index + 1).values, self._field: self._choices[turn]}
        proposal = self.proposal({name: drawn[name] for name in self.spec.space})
        assert proposal is not None
        return proposal
