"""What was tried: an Optuna study as the record, and the one process that owns it."""
