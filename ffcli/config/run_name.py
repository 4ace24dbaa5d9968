"""The name that a run gets unless it is given one."""

from __future__ import annotations

from ffcli.config.fields import Option, metadata
from ffcli.config.train_config import FIELDS, TrainConfig
from ffcli.util.text import value_text

_LONGEST = 120  # characters; W&B takes 128
# Those that every name has or that come first, and the dataset, which may be a path.
_APART = ("num_layers", "batch_size", "activation", "optimizer", "dataset", "seed", "fold")


def run_name(config: TrainConfig) -> str:
    """Return four fields that every name has, and what else differs from the defaults, by its short flag.

    A name is at most 120 characters long; what does not fit is left out.
    """
    name = f"run_hl-{config.num_layers}_bs-{config.batch_size}_act-{config.activation}_opt-{config.optimizer}"
    values = config.as_dict()
    for field in ("seed", "fold", *(field for field in FIELDS if field not in _APART)):
        if values[field] != FIELDS[field].default:
            short = (*metadata(FIELDS[field], Option).flags, field)[0].lstrip("-")
            value = values[field]
            shown = str(value).lower() if isinstance(value, bool) else value_text(value)
            part = f"_{short}-{shown.replace('/', 'of') if field == 'fold' else shown}"
            name += part if len(name + part) <= _LONGEST else ""
    return name
