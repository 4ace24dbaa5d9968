"""A user's own dataset, in the formats that people have: read, converted, and prepared once."""

from ffcli.datasets.user_data.prepare import prepare

__all__ = ["prepare"]
