"""The mathematics: networks, losses, optimizers and training, in NumPy and nothing else."""
