"""The trials of a sweep: an Optuna study as the record, and the one process that owns it."""
