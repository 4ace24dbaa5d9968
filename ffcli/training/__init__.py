"""One training run: experiment, runner, tracking."""
