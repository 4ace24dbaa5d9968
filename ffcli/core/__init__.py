"""The mathematics: networks, losses, optimizers and training, in NumPy, compiled by Numba if installed."""
