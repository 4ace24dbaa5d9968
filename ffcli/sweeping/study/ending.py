"""Why a sweep is over."""

from __future__ import annotations

from ffcli.sweeping.study.record import Ended, at_target
from ffcli.sweeping.study.writer import StudyWriter
from ffcli.util.text import are, counted

_FIRST_FAILURES = 3  # so many at the start end a sweep


def why_over(
    study: StudyWriter, most: int | None, *, forgiven: int, under_way: bool, late: bool
) -> Ended | None:
    """Return why no trial of a sweep is to begin any more, None where one may.

    Args:
        study: its record.
        most: how many trials it is to have.
        forgiven: failures of before, which do not end it again.
        under_way: whether a trial is, which may yet come to no end.
        late: whether its time is over.
    """
    sweep, counts = study.sweep, study.counts
    best = at_target(sweep, study.trials)
    if best is not None:
        metric = sweep.metric
        return Ended("target", f"{metric.name} {best:g} has reached the target {metric.target:g}.")
    if counts.failed - forgiven >= _FIRST_FAILURES and not counts.finished + counts.pruned:
        last = [trial.error or "" for trial in study.trials if trial.state == "failed"]
        each = " | ".join(dict.fromkeys(last[-_FIRST_FAILURES:]))
        return Ended("failures", f"The first {_FIRST_FAILURES} trials all failed: {each}")
    if under_way or most is None or counts.ended < most:
        return Ended("time", "Its time is over.") if late else None
    if counts.ended == sweep.spec.size:
        return Ended("space", f"The whole space of {counted(counts.ended, 'combination')} was tried.")
    return Ended("count", f"{counted(counts.ended, 'trial')} {are(counts.ended)} done.")
