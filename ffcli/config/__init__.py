"""The hyper-parameters of a run: what they are, how they are read, and what is said when they are wrong."""

from ffcli.config.fields import Choice, Option
from ffcli.config.loading import allowed, field_name, fields_of, merge, unused, used_by, validate
from ffcli.config.recipes import ABOUT, Recipe, all_recipes, load_recipe
from ffcli.config.train_config import FIELDS, TrainConfig, metadata

__all__ = [
    "ABOUT",
    "FIELDS",
    "Choice",
    "Option",
    "Recipe",
    "TrainConfig",
    "all_recipes",
    "allowed",
    "field_name",
    "fields_of",
    "load_recipe",
    "merge",
    "metadata",
    "unused",
    "used_by",
    "validate",
]
