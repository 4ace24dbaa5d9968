"""Which runs of a sweep keep their weights: all of them would fill a disk."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from ffcli.sweeping.trials import Sweep

KEPT = 5  # so many of the best runs keep their weights


class BestWeights:
    """Lets only the ``most`` best finished runs of a sweep keep their weights; all of them where it is None.

    ``drop`` is told the run whose weights are to go.
    """

    def __init__(self, sweep: Sweep, drop: Callable[[str], None], most: int | None = KEPT) -> None:
        self._drop = drop
        self._most = most
        self._sign = 1 if sweep.metric.goal == "maximize" else -1
        self._best: list[tuple[float, int, str]] = []
        self._seen = 0

    def ended(self, run_id: str, state: str, value: float | None, number: int | None = None) -> None:
        """Drop the weights of this run, or of the one that it pushes out of the best.

        On a tie the one of the lower ``number`` stays, which by default counts the calls.
        """
        if state != "finished" or value is None:
            self._drop(run_id)
            return
        self._seen += 1
        heapq.heappush(self._best, (self._sign * value, -(self._seen if number is None else number), run_id))
        if self._most is not None and len(self._best) > self._most:
            self._drop(heapq.heappop(self._best)[2])
