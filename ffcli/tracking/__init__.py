"""W&B behind one small interface: whether a run is tracked, and how what is known of it gets there."""
