"""Every long command killed at random moments: nothing that was stored is lost, and the command resumes.

The moments come from seeds: so many lines of progress are waited for, then some hundredths of a second.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from child_processes import wait_until
from fault_helpers import INGREDIENTS, SIGNALS, Done, Site, assert_same_run, members

from ffcli.services.sweeps.listing import list_sweeps
from ffcli.services.train import train as train_here
from ffcli.training.events import null_observer
from ffcli.training.options import RunOptions

SWEEP = """
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: mine.npz}
  epochs: {value: 12}
  num_layers: {value: 1}
  hidden_size: {values: [3, 6]}
  learning_rate: {values: [0.01, 0.02]}
"""
LOSSES = """
method: random
parameters:
  dataset: {value: mine.npz}
  loss: {values: [cross_entropy, squared_error]}
  epochs: {value: 12}
  num_layers: {value: 1}
  hidden_size: {values: [3, 6]}
  learning_rate: {values: [0.01, 0.02]}
"""

# Python's own words, in a worker that was being started when its parent was killed.
ORPHANED = "EOFError: Ran out of input"


class Killer:
    """Kills the command at the moments that a seed picks, and looks at what is left each time."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.rng = random.Random(seed)

    def kill(self, *args: object, lines: int) -> bool:
        """Start the command and kill it before it has said much more than ``lines``; False: it was faster."""
        number = self.rng.choice(SIGNALS)
        all_of_them = self.rng.random() < 0.5  # as a terminal or a scheduler does
        process = self.site.start(*args)
        heard = self.site.lines(process, self.rng.randint(0, lines))
        time.sleep(self.rng.random() ** 2 * 0.3)
        if all_of_them:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        done = self.site.ended(process)
        wait_until(lambda: not members(process.pid), "a process outlives its parent")
        self._check(Done(done.code, done.out, "".join(heard) + done.err), number, spoke=any(heard))
        self.site.check()
        return done.code != 0

    def _check(self, done: Done, number: int, *, spoke: bool) -> None:
        # One that has not spoken may have been killed while Python itself was loading.
        if spoke and not (number == signal.SIGKILL and ORPHANED in done.err):
            assert "Traceback" not in done.err, done.err
        if done.code == 0:  # it was faster
            return
        codes = {-number} if number == signal.SIGKILL else {128 + number}
        if not spoke or done.out:  # while Python itself was loading, or was done with all
            codes |= {-number, 1}
        assert done.code in codes, done.err
        if done.code == 128 + number and spoke and not done.out:
            by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
            assert f"Interrupted{by}." in done.err

    def some_times(self, *args: object, lines: int, is_over: Callable[[], bool] = lambda: False) -> None:
        """Kill it as often as the seed says, until once it was faster or all was done when it was killed."""
        for _ in range(self.rng.randint(1, 3)):
            if is_over() or not self.kill(*args, lines=lines):
                return


def ended(site: Site, *args: object) -> Any:
    """Run the command to its end and return its document."""
    done = site(*args, "--json")
    assert done.code == 0, done.err
    site.check()
    site.assert_tidy()
    return done.document


def train(killer: Killer) -> None:
    site = killer.site
    ingredients = killer.rng.choice(INGREDIENTS)
    flags: list[object] = ["-d", site.dataset, "--wandb", "disabled", "--seed", 3]
    flags += [f"--{name}={value}" for name, value in ingredients.items()]
    before = set(site.runs())
    killer.kill("train", *flags, lines=20)
    if not (begun := set(site.runs()) - before):
        return
    (run_id,) = begun

    def is_over() -> bool:
        return bool(site.runs()[run_id]["status"] == "finished")

    killer.some_times("train", "--resume", run_id, lines=12, is_over=is_over)
    if not is_over():
        ended(site, "train", "--resume", run_id)
    config = site.config(**ingredients, seed=3)
    reference = train_here(site.context, config, RunOptions(), null_observer)
    assert_same_run(Path(site.context.runs_dir, run_id), Path(site.folder, reference.path))


def local_sweep(killer: Killer, words: list[object], file: str) -> Any:
    """Kill a command that sweeps until it ends by itself, and return its document."""
    site = killer.site
    known = {sweep.sweep_id for sweep in list_sweeps(site.context)}
    killer.kill(*words, site.folder / file, "--workers", 2, lines=5)
    new = [sweep for sweep in list_sweeps(site.context) if sweep.sweep_id not in known]
    if not new:  # killed before it was stored
        return ended(site, *words, site.folder / file, "--workers", 2, "--new")
    (sweep,) = new
    killer.some_times(*words, sweep.sweep_id, "--workers", 2, lines=5)
    document = ended(site, *words, sweep.sweep_id, "--workers", 2)
    assert document["sweep_id"] == sweep.sweep_id
    return document


def assert_whole(killer: Killer, document: Any, trials: int) -> None:
    """The sweep has each of its trials, and each trial one run of the store."""
    assert sum(document["counts"].values()) == trials
    runs = [run for run in killer.site.runs().values() if run["sweep_id"] == document["sweep_id"]]
    statuses = Counter(run["status"] for run in runs)
    assert statuses["finished"] == document["counts"]["finished"]
    assert sum(statuses.values()) <= trials, "a try that was replaced leaves a run"
    folder = killer.site.context.runs_dir / "sweeps" / document["sweep_id"]
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "study.log"))
    (study,) = optuna.storages.JournalStorage(backend).get_all_studies()
    assert study.study_name == document["sweep_id"]
    assert {path.name for path in folder.iterdir()} == {
        *("lock", "runs.csv", "study.log", "summary.json", "sweep.yaml")
    }


def sweep(killer: Killer) -> None:
    (killer.site.folder / "four.yaml").write_text(SWEEP)
    document = local_sweep(killer, ["sweep", "--backend", "local"], "four.yaml")
    assert_whole(killer, document, 4)


def compare_loss(killer: Killer) -> None:
    (killer.site.folder / "losses.yaml").write_text(LOSSES)
    words = ["compare-loss", "--runs", 4, "--wandb", "disabled", "-o", killer.site.folder / "losses.png"]
    document = local_sweep(killer, words, "losses.yaml")
    assert_whole(killer, document, 4)
    if document["counts"]["finished"] == 4:
        assert document["summary"]["pairs"] == 2


def swept(site: Site) -> str:
    (site.folder / "best.yaml").write_text(SWEEP.replace("value: 12", "value: 2"))
    return str(ended(site, "sweep", site.folder / "best.yaml", "--backend", "local", "--new")["sweep_id"])


def rerun(killer: Killer) -> None:
    site = killer.site
    words = ["rerun", "--sweep", swept(site), "--top", 2, "--dataset", site.other]
    words += ["--seeds", 2, "--workers", 2, "--wandb", "disabled"]
    killer.some_times(*words, lines=3)
    documents = ended(site, *words)
    assert [document["status"] for document in documents] == ["finished"] * 4
    assert len({document["run_id"] for document in documents}) == 4
    assert [len(document["epochs"]) for document in documents] == [2] * 4


def sync(killer: Killer) -> None:
    site = killer.site
    sweep_id = swept(site)
    killer.some_times("sync", sweep_id, "-wp", "p", lines=3)
    document = ended(site, "sync", sweep_id, "-wp", "p")
    ours = {run_id for run_id, run in site.runs().items() if run["sweep_id"] == sweep_id}
    assert document["failed"] == []
    assert set(document["synced"] + document["skipped"]) == ours
    sent = {name: run for name, run in site.server.runs.items() if name in ours}
    assert set(sent) == ours
    assert {name: [row["epoch"] for row in run.history] for name, run in sent.items()} == {
        name: [1, 2] for name in ours
    }
    assert {run.state for run in sent.values()} == {"finished"}


def download(killer: Killer) -> None:
    site = killer.site
    words = ["download", "some", "--from", site.source]
    killer.some_times(*words, lines=2)
    assert len(list((site.folder / "data").glob(".fetch-*"))) <= 1, "remainders pile up"
    (document,) = ended(site, *words)
    assert document["verified"]
    assert list((site.folder / "data").glob(".*")) == []
    assert ended(site, "download", "some")[0]["verified"]


COMMANDS: dict[str, Callable[[Killer], None]] = {
    "train": train,
    "sweep": sweep,
    "compare-loss": compare_loss,
    "rerun": rerun,
    "sync": sync,
    "download": download,
}


@pytest.fixture
def earlier(site: Site) -> Iterator[None]:
    """Two runs of before, which are looked at again and again."""
    for seed in (0, 1):
        train_here(site.context, site.config(epochs=2, seed=seed), RunOptions(), null_observer)
    site.check()
    yield
    site.check()
    assert len(site.runs()) >= 2


@pytest.mark.usefixtures("earlier")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_killed_loses_nothing_and_resumes(site: Site, command: str) -> None:
    COMMANDS[command](Killer(site, seed=1))


@pytest.mark.slow
@pytest.mark.usefixtures("earlier")
@pytest.mark.parametrize("seed", range(2, 14))
def test_some_hundred_kills_lose_nothing(site: Site, seed: int) -> None:
    """Twelve stores, each with rounds of every command, of one to four kills."""
    killer = Killer(site, seed)
    words = [*COMMANDS, "train", "train", "train", "sweep"]
    killer.rng.shuffle(words)
    for command in words:
        COMMANDS[command](killer)
