"""Reports with numbers that one can check by hand, and names that try to do harm."""

from __future__ import annotations

from dataclasses import replace

from ffcli.plotting.html import Curve, Parameter
from ffcli.plotting.report import Best, Report, Run
from ffcli.runs.results import HyperparameterEffect

HARM = "<script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>"
OPTIMIZERS = ("sgd", "adam", "nadam")


def run(number: int, *, name: str = "a run", status: str = "finished") -> Run:
    """Return run n: its optimizer goes in turn, its value is 0.5 + n/1000, its training took n seconds."""
    ended = status in ("finished", "pruned")
    return Run(
        number=number,
        run_id=f"20260101-000000-{number:03d}-aaaa",
        name=name,
        status=status,
        values={"optimizer": OPTIMIZERS[number % 3], "learning_rate": 1e-4 * 1.05**number},
        value=0.5 + number / 1000 if ended else None,
        accuracy=0.5 + number / 1000 if ended else None,
        best_epoch=2 if ended else None,
        seconds=float(number) if ended else None,
        ended=10.0 * number if ended else None,
        error="went wrong " + HARM if status == "failed" else None,
        tags=(HARM,) if number == 1 else (),
    )


def report(count: int = 60, **changes: object) -> Report:
    """Return a report of so many runs: run 1 is called harmful names, 2 is pruned, 3 failed, 4 still runs."""
    odd = {2: "pruned", 3: "failed", 4: "running"}
    runs = [
        run(number, name=HARM if number == 1 else f"name {number}", status=odd.get(number, "finished"))
        for number in range(1, count + 1)
    ]
    made = Report(
        title=f"My sweep {HARM}",
        description=HARM,
        metric="val_acc",
        maximize=True,
        accuracy="val_acc",
        about={"sweep": "s1"},
        parameters=[Parameter("optimizer", choices=OPTIMIZERS), Parameter("learning_rate", log=True)],
        runs=runs,
        best=Best(
            number=count,
            config={"optimizer": OPTIMIZERS[count % 3], "epochs": 3},
            command=f"ffnn train --dataset '{HARM}'",
            dataset=HARM,
            labels=["cat", HARM],
            matrix=[[7, 3], [1, 9]],
        ),
        curves=[
            Curve(
                number,
                [1, 2],
                {name: [0.1, number / 100] for name in ("val_acc", "val_loss", "train_acc", "train_loss")},
            )
            for number in range(count, max(0, count - 10), -1)
        ],
        influences=[
            HyperparameterEffect("optimizer", 0.75, by_value={"sgd": -0.5, "adam": None}),
            HyperparameterEffect("learning_rate", 0.25, correlation=0.9),
        ],
        influence_note="how it was found",
    )
    return replace(made, **changes)
