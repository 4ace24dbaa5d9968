"""Datasets: their definition, sources, verification and preparation."""

from ffcli.datasets.base import Dataset, Notify, Progress, dataset_digest
from ffcli.datasets.catalog import KNOWN, DatasetSpec
from ffcli.datasets.download import Fetched, fetch
from ffcli.datasets.loading import load_dataset
from ffcli.datasets.reference import canonical_name, with_options
from ffcli.datasets.sources import source_names
from ffcli.datasets.split import fold_indices, split_indices

__all__ = [
    "KNOWN",
    "Dataset",
    "DatasetSpec",
    "Fetched",
    "Notify",
    "Progress",
    "canonical_name",
    "dataset_digest",
    "fetch",
    "fold_indices",
    "load_dataset",
    "source_names",
    "split_indices",
    "with_options",
]
