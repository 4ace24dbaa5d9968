"""Sweeps whose trials come in pairs that differ in one parameter only, to compare its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ffcli.sweeping.search.proposers import PROPOSERS, Known, Proposal, Proposer
from ffcli.sweeping.spec.spec import SweepSpec


class PairedProposer(Proposer):
    """Each configuration with every value of one field, in consecutive trials.

    The file's method, random or grid, proposes configurations of the other parameters: its first is that of
    the trials 1 and 2 (where the field has two values), its second that of 3 and 4. So the number of a trial
    says what its configuration is, whichever worker asks and whenever.
    """

    def __init__(self, spec: SweepSpec, base: Mapping[str, Any], seed: int, field: str) -> None:
        super().__init__(spec, base, seed)
        self._field = field
        self._choices = spec.parameters[field].choices
        others = {name: parameter for name, parameter in spec.space.items() if name != field}
        self._others = PROPOSERS[spec.method](replace(spec, space=others), base, seed)

    def learn(self, trial: Known) -> None:
        # Until the last of them has come, the same configuration has to be proposed again.
        if trial.place is None or trial.number % len(self._choices):
            return
        place = self._others.place(self.spec.combination(trial.place))
        self._others.learn(replace(trial, place=place))

    def propose(self, number: int) -> Proposal:
        index, turn = divmod(number - 1, len(self._choices))
        drawn = {**self._others.propose(index + 1).values, self._field: self._choices[turn]}
        proposal = self.proposal({name: drawn[name] for name in self.spec.space})
        assert proposal is not None
        return proposal


def proposer(spec: SweepSpec, base: Mapping[str, Any], seed: int, paired: str | None) -> Proposer:
    """Return what proposes the configurations of a sweep; ``paired`` is the field to compare, if any."""
    if paired is not None:
        return PairedProposer(spec, base, seed, paired)
    return PROPOSERS[spec.method](spec, base, seed)
