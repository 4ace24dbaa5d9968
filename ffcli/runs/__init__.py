"""The run store: what one training run leaves on disk, and how runs are found again."""
