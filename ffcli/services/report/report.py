"""``ffnn report``: a sweep as one HTML page."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ffcli.config import TrainConfig, run_name
from ffcli.errors import FfnnError
from ffcli.plotting.html import Curve, Parameter
from ffcli.plotting.report import Best, Report, Run, page
from ffcli.plotting.style import save_file
from ffcli.runs.metric import METRICS, is_loss
from ffcli.runs.record import RunRecord, utc_now
from ffcli.services.evaluation.best import RunChoice, chosen_run
from ffcli.services.outputs import check_output
from ffcli.services.report.tracked import log
from ffcli.services.sweeps.best import best_trial
from ffcli.services.sweeps.create import read_sweep
from ffcli.services.sweeps.epochs import epochs_of
from ffcli.sweeping.importance import CORRELATED, CORRELATION, IMPORTANCE, IMPORTANT, known_effects
from ffcli.sweeping.study.record import Epoch, Sweep, Trial, counting, ranked
from ffcli.sweeping.wandb.address import is_address, parse_address
from ffcli.training.context import Context
from ffcli.training.events import OnTraining, null_observer
from ffcli.training.options import RunOptions
from ffcli.util.text import are, counted

_TOP = 10  # runs with a learning curve


@dataclass(frozen=True)
class ReportResult:
    """The report of a sweep."""

    html: Path
    sweep_id: str
    runs: int
    """Number of runs in it."""


def report(
    context: Context,
    sweep_id: str,
    out: Path | None,
    *,
    command_line: tuple[str, ...] = (),
    on_event: OnTraining = null_observer,
    options: RunOptions | None = None,
) -> ReportResult:
    """Write the page of a sweep, with the trials so far.

    Of a sweep at W&B (entity/project/id) it shows the runs that are stored here, with a notice. The best run
    is evaluated on the test images, and trained again if its weights are not stored (see `best_with_weights`)
    with ``on_event``; where that fails, the page says why. The page also goes to W&B where
    ``options`` and the sweep's runs say so (see `tracked.log`). Raises RequestError for an unknown sweep or
    directory.
    """
    if out is not None:
        out = check_output(context, "out", out, ".html", ".htm")
    sweep, trials, epochs = _stored(context, sweep_id)
    if is_address(sweep_id):
        runs = f"{counted(len(trials), 'run')} of sweep {sweep_id}"
        context.notify(f"the page shows the {runs} that {are(len(trials))} stored here")
    path = out or check_output(context, "out", Path(f"report-{sweep_id.rpartition('/')[2]}.html"))
    best = best_trial(sweep, trials)
    shown = _report(context, sweep, trials, epochs)
    if best is not None:
        # The best run of a sweep at W&B need not be the best of those that are stored here.
        choice = (
            RunChoice(str(best.run_id))
            if is_address(sweep.id)
            else RunChoice(sweep_id=sweep_id, on_event=on_event, command_line=command_line)
        )
        shown = replace(shown, best=best_of(context, best, choice))
    # A name that came from the command line may hold bytes that are no text.
    save_file(path, page(shown).encode("utf-8", "backslashreplace"))
    if options is not None:
        records = [record for trial in trials if (record := context.runs.sound(trial.run_id)) is not None]
        log(context, options, records, sweep_id=sweep_id, html=path, report=shown)
    return ReportResult(path, sweep_id, len(trials))


def stored_report(context: Context, sweep_id: str) -> tuple[Report, Trial | None]:
    """Return the report of the trials so far without the best run, and the trial of the best run.

    Raises RequestError for an unknown sweep.
    """
    sweep, trials, epochs = _stored(context, sweep_id)
    return _report(context, sweep, trials, epochs), best_trial(sweep, trials)


def _stored(context: Context, sweep_id: str) -> tuple[Sweep, list[Trial], list[Epoch]]:
    if is_address(sweep_id):
        from ffcli.services.report.wandb_sweep import stored_part

        return stored_part(context, parse_address(sweep_id))
    study = read_sweep(context, sweep_id)
    trials = counting(study.trials)
    return study.sweep, trials, epochs_of(context, trials)


def _comparable(sweep: Sweep, trials: Sequence[Trial], loss: str | None) -> list[Trial]:
    """Return the trials; where the metric is a loss, without the values of trials with another ``loss``."""
    if not is_loss(sweep.metric.name):
        return list(trials)
    return [trial if trial.config.loss == loss else replace(trial, value=None) for trial in trials]


def _report(context: Context, sweep: Sweep, trials: Sequence[Trial], epochs: Iterable[Epoch]) -> Report:
    """Return the content of the page; losses only of runs that have the loss function of the best."""
    best = best_trial(sweep, trials)
    loss = None if best is None else best.config.loss
    trials = _comparable(sweep, trials, loss)
    metric = sweep.metric
    accuracy = metric.name if metric.name.endswith("_acc") else "val_acc"
    by_trial: dict[int, list[Epoch]] = {trial.number: [] for trial in trials}
    for epoch in epochs:
        by_trial[epoch.number].append(epoch)
    runs = [
        _run(sweep, trial, context.runs.sound(trial.run_id), by_trial[trial.number], accuracy)
        for trial in trials
    ]
    values = sum(trial.value is not None for trial in trials)
    return Report(
        title=sweep.spec.name or f"Sweep {sweep.id}",
        description=sweep.spec.description or "",
        metric=metric.name,
        maximize=metric.goal == "maximize",
        accuracy=accuracy,
        about={**_about(sweep, runs), **_about_losses(trials, loss)},
        parameters=[
            Parameter(name, each.log, each.choices)
            for name, each in sweep.spec.parameters.items()
            if each.size != 1  # else it was not searched
        ],
        runs=runs,
        curves=[_curve(trial, by_trial[trial.number], loss) for trial in ranked(metric, trials)[:_TOP]],
        influences=known_effects(sweep, trials) if values >= CORRELATED else [],
        influence_note=_influence_note(metric.name, values),
    )


def _influence_note(metric: str, values: int) -> str:
    importance = f"by {IMPORTANCE}." if values >= IMPORTANT else f"shown from {IMPORTANT} runs on."
    return (
        f"Correlation with {metric}: {CORRELATION}'s, from -1 to 1; of a choice in words, of choosing it. "
        f"Importance, the fractions of which sum to 1: {importance}"
    )


def _run(sweep: Sweep, trial: Trial, record: RunRecord | None, epochs: Sequence[Epoch], accuracy: str) -> Run:
    diverged = trial.state == "failed" and record is not None and record.status == "diverged"
    accuracies = [getattr(epoch.result, accuracy) for epoch in epochs]
    return Run(
        number=trial.number,
        run_id=trial.run_id or "",
        name=record.name if record else run_name(trial.config),
        status="diverged" if diverged else trial.state,
        values=trial.values,
        value=trial.value,
        accuracy=max(filter(math.isfinite, accuracies), default=None),
        best_epoch=trial.best_epoch,
        seconds=sum(epoch.result.train_seconds for epoch in epochs) if epochs else None,
        ended=None if trial.ended is None else trial.ended - sweep.created,
        tags=record.tags if record else (),
        error=trial.error,
    )


def _about(sweep: Sweep, runs: Sequence[Run]) -> dict[str, str]:
    statuses = Counter(run.status for run in runs)
    counts = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    number = f"{len(runs)}{' stored here' if is_address(sweep.id) else ''}"
    return {
        "sweep": sweep.id,
        "search": f"{sweep.spec.method}, to {sweep.metric.goal} {sweep.metric.name}",
        "runs": f"{number}{f': {counts}' if counts else ''}",
        "training": f"{_duration(sum(run.seconds or 0.0 for run in runs))} in total",
        "report of": f"{utc_now()[:16].replace('T', ' ')} UTC",
    }


def _about_losses(trials: Sequence[Trial], loss: str | None) -> dict[str, str]:
    """Say which runs have their losses in the page, where the sweep has several loss functions."""
    if len({trial.config.loss for trial in trials}) < 2:
        return {}
    return {"losses": f"of the runs with {loss} only: different losses cannot be compared"}


def _curve(trial: Trial, epochs: Sequence[Epoch], loss: str | None) -> Curve:
    shown = [name for name in METRICS if not is_loss(name) or trial.config.loss == loss]
    metrics: dict[str, list[float | None]] = {name: [None] * len(epochs) for name in METRICS}
    metrics |= {name: [getattr(epoch.result, name) for epoch in epochs] for name in shown}
    return Curve(trial.number, [epoch.result.epoch for epoch in epochs], metrics)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def best_of(context: Context, trial: Trial, choice: RunChoice) -> Best:
    """Return the best run with its confusion matrix, or with why there is none, of which notice is given.

    ``choice`` is a run that has the weights, or is to be trained again for them.
    """
    # Imported here: evaluation needs the core, and a page can also be made without it.
    from ffcli.core.metrics import confusion_matrix

    config = trial.config
    record = context.runs.sound(trial.run_id)
    about = (trial.number, config.as_dict(), train_command(config, record.threads if record else 1))
    why = ""
    try:
        stored, data = chosen_run(context, choice)
        if data.digest != stored.record.provenance.dataset_digest:
            why = f"{data.name} has changed since it was trained."
    except FfnnError as error:
        why = str(error)
    if why:
        context.notify(f"the page has no confusion matrix: {why}")
        missing = f"The best run could not be evaluated on the test images. {why}"
        return Best(*about, dataset=config.dataset, missing=missing)
    counts = confusion_matrix(data.y_test, stored.network.predict(data.x_test), data.n_classes)
    return Best(*about, dataset=data.name, labels=data.class_names, matrix=counts.tolist())


def train_command(config: TrainConfig, threads: int = 1) -> str:
    """Return the call of ``ffnn train`` that trains a configuration: what differs from the defaults."""
    words = ["ffnn", "train"]
    defaults = TrainConfig().as_dict()
    for name, value in config.as_dict().items():
        if value == defaults[name]:
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        else:
            words += [option, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return shlex.join([*words, *(["--threads", str(threads)] if threads != 1 else [])])
