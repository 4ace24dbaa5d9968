"""The hyper-parameters of a run: what they are, how they are read, and what is said when they are wrong."""

from ffcli.config.settings import allowed, field_name, merge, unused, used_by, validate
from ffcli.config.train_config import FIELDS, TrainConfig, metadata
from ffcli.config.types import Choice, Option

__all__ = [
    "FIELDS",
    "Choice",
    "Option",
    "TrainConfig",
    "allowed",
    "field_name",
    "merge",
    "metadata",
    "unused",
    "used_by",
    "validate",
]
