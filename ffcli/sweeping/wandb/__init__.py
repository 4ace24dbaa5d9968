"""W&B's sweep server and agents."""
