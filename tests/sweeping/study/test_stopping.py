"""Early termination against what W&B's own package decides, epoch by epoch."""

from __future__ import annotations

import pytest
from engine_helpers import epoch, sweep_of, trial_of

from ffcli.runs.metric import Metric
from ffcli.sweeping.spec.hyperband import Hyperband
from ffcli.sweeping.study.stopping import band_of, should_stop

# The metric of 14 runs after each of 12 epochs.
HISTORIES = [
    [0.45, 0.387, 0.396, 0.376, 0.269, 0.246, 0.366, 0.264, 0.253, 0.369, 0.28, 0.335],
    [0.608, 0.483, 0.523, 0.53, 0.451, 0.467, 0.44, 0.331, 0.432, 0.398, 0.345, 0.297],
    [0.815, 0.789, 0.762, 0.694, 0.693, 0.582, 0.626, 0.551, 0.616, 0.596, 0.462, 0.461],
    [0.505, 0.386, 0.389, 0.314, 0.33, 0.296, 0.279, 0.308, 0.3, 0.346, 0.306, 0.342],
    [0.892, 0.776, 0.643, 0.713, 0.696, 0.66, 0.585, 0.591, 0.497, 0.585, 0.535, 0.482],
    [0.395, 0.389, 0.224, 0.32, 0.244, 0.191, 0.205, 0.274, 0.285, 0.148, 0.236, 0.142],
    [0.704, 0.734, 0.703, 0.589, 0.638, 0.504, 0.448, 0.516, 0.413, 0.429, 0.455, 0.481],
    [0.321, 0.421, 0.307, 0.39, 0.364, 0.268, 0.271, 0.272, 0.286, 0.273, 0.263, 0.269],
    [0.865, 0.784, 0.775, 0.654, 0.628, 0.708, 0.613, 0.599, 0.498, 0.551, 0.569, 0.472],
    [0.691, 0.546, 0.593, 0.533, 0.54, 0.466, 0.505, 0.496, 0.37, 0.367, 0.459, 0.499],
    [0.444, 0.429, 0.357, 0.341, 0.314, 0.309, 0.333, 0.276, 0.281, 0.338, 0.214, 0.297],
    [0.711, 0.637, 0.683, 0.555, 0.516, 0.531, 0.554, 0.443, 0.466, 0.458, 0.53, 0.46],
    [0.76, 0.722, 0.72, 0.716, 0.613, 0.551, 0.513, 0.561, 0.493, 0.581, 0.577, 0.465],
    [0.516, 0.452, 0.449, 0.351, 0.298, 0.308, 0.376, 0.283, 0.287, 0.292, 0.288, 0.282],
]

# Rule, goal, runs at a time, and the epochs that each run came to. Made with ``hyperband_stop_runs`` of the
# package sweeps 0.3.0, asked after every epoch, the runs taking turns; to maximise, the metric is 1 - m.
GOLDEN = [
    ({"min_iter": 1}, "minimize", 1, [12, 1, 1, 9, 1, 12, 1, 12, 1, 1, 3, 1, 1, 1]),
    ({"min_iter": 1}, "maximize", 4, [12, 1, 1, 9, 1, 12, 1, 12, 1, 1, 3, 1, 1, 1]),
    ({"min_iter": 2, "eta": 2}, "minimize", 1, [12, 12, 2, 12, 2, 12, 2, 12, 2, 4, 12, 2, 2, 8]),
    ({"min_iter": 2, "eta": 2}, "maximize", 4, [12, 5, 2, 12, 2, 12, 2, 12, 2, 4, 8, 2, 2, 8]),
    (
        {"min_iter": 1, "eta": 2, "strict": True},
        "minimize",
        1,
        [12, 12, 1, 12, 1, 12, 1, 2, 1, 2, 2, 1, 1, 2],
    ),
    ({"min_iter": 1, "eta": 2, "strict": True}, "maximize", 4, [7, 3, 1, 12, 1, 12, 1, 2, 1, 2, 2, 1, 1, 2]),
    ({"max_iter": 12, "s": 2, "eta": 3}, "minimize", 1, [12, 1, 1, 12, 1, 12, 1, 12, 1, 1, 4, 1, 1, 1]),
    ({"max_iter": 12, "s": 2, "eta": 3}, "maximize", 4, [12, 1, 1, 12, 1, 12, 1, 12, 1, 1, 4, 1, 1, 1]),
    (
        {"max_iter": 27, "s": 3, "eta": 2.5, "strict": True},
        "minimize",
        1,
        [12, 1, 1, 12, 1, 12, 1, 4, 1, 1, 12, 1, 1, 4],
    ),
    (
        {"max_iter": 27, "s": 3, "eta": 2.5, "strict": True},
        "maximize",
        4,
        [5, 1, 1, 12, 1, 12, 1, 4, 1, 1, 12, 1, 1, 4],
    ),
    ({"min_iter": 3, "eta": 1.5}, "minimize", 1, [12, 12, 12, 12, 6, 12, 3, 12, 3, 12, 12, 4, 3, 12]),
    ({"min_iter": 3, "eta": 1.5}, "maximize", 4, [12, 12, 5, 12, 6, 12, 3, 12, 3, 12, 12, 4, 3, 12]),
]


@pytest.mark.parametrize(("rule", "goal", "at_a_time", "expected"), GOLDEN)
def test_runs_stop_where_wandb_stops_them(rule, goal, at_a_time, expected):
    hyperband, metric = Hyperband(**{"strict": False, **rule}), Metric("val_acc", goal)
    whole = HISTORIES if goal == "minimize" else [[1 - value for value in run] for run in HISTORIES]
    done: list[int] = [0] * len(whole)
    waiting, active = list(range(len(whole))), []
    while waiting or active:
        while waiting and len(active) < at_a_time:
            active.append(waiting.pop(0))
        for run in list(active):
            done[run] += 1
            band = band_of(hyperband, done[run], 12)
            stops = band is not None and should_stop(
                hyperband,
                metric,
                band,
                whole[run][: done[run]],
                [values[band - 1] for values, n in zip(whole, done) if n >= band],
            )
            if stops or done[run] == 12:
                active.remove(run)
    assert done == expected


def test_a_band_holds_until_the_next_and_nothing_stops_after_the_last_epoch():
    hyperband = Hyperband(min_iter=2, eta=2)
    assert [band_of(hyperband, epoch, 8) for epoch in range(1, 9)] == [None, 2, 2, 4, 4, 4, 4, None]
    assert band_of(hyperband, 1, 1) is None


def test_equals_of_the_last_that_continues_continue():
    rule, metric = Hyperband(min_iter=1), Metric("val_loss")
    assert not should_stop(rule, metric, 1, [0.5], [0.5, 0.5, 0.5, 0.5])
    assert not should_stop(rule, metric, 1, [0.5], [0.5])
    assert should_stop(rule, metric, 1, [0.6], [0.5, 0.6])
    assert not should_stop(rule, metric, 1, [0.6], [0.5, 0.6, 0.7])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("min_iter: 1, strict: false", [12, 1, 1, 9, 1, 12, 1, 12, 1, 1, 3, 1, 1, 1]),
        ("min_iter: 1, eta: 2, strict: true", [12, 12, 1, 12, 1, 12, 1, 2, 1, 2, 2, 1, 1, 2]),
    ],
)
def test_the_coordinator_stops_trials_by_all_that_reached_the_band(engine, rule, expected):
    def replay(task):
        for number, value in enumerate(HISTORIES[trial_of(task) - 1], start=1):
            yield epoch(number, 1 - value)

    space = "\n  epochs: {value: 12}\n  batch_size: {min: 1, max: 14}\n"
    sweep = engine.create(sweep_of("grid", space, top=f"early_terminate: {{type: hyperband, {rule}}}"))
    engine.complete(sweep, train=replay)
    trials = engine.trials(sweep)
    done = [len(trial.history) for trial in trials]
    assert done == expected
    assert [trial.state for trial in trials] == ["finished" if n == 12 else "pruned" for n in expected]
    for trial, n, history in zip(trials, done, HISTORIES):
        assert trial.value == pytest.approx(1 - min(history[:n]))
        assert trial.best_epoch == history.index(min(history[:n])) + 1
