"""The hyper-parameters of a run: their definition, their parsing, and their errors."""

from ffcli.config.effects import CONDITIONS, Condition, unused, used_by
from ffcli.config.fields import Choice, Option, metadata
from ffcli.config.folds import MOST_RUNS, members, runs_per_trial, validation_split
from ffcli.config.loading import allowed, merge, validate
from ffcli.config.recipes import Recipe, all_recipes, load_recipe
from ffcli.config.run_name import run_name
from ffcli.config.train_config import FIELDS, NAMES, TrainConfig

__all__ = [
    "CONDITIONS",
    "FIELDS",
    "MOST_RUNS",
    "NAMES",
    "Choice",
    "Condition",
    "Option",
    "Recipe",
    "TrainConfig",
    "all_recipes",
    "allowed",
    "load_recipe",
    "members",
    "merge",
    "metadata",
    "run_name",
    "runs_per_trial",
    "unused",
    "used_by",
    "validate",
    "validation_split",
]
