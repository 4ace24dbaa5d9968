"""Speed and memory of ffnn beside named peers.

``python -m benchmarks.training`` compares, ``python -m benchmarks.scaling`` shows the distance to the limit.
"""
