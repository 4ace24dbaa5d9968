"""The run store: the files of a training run, and how runs are found again."""
