"""Sweeps: the sweep file, what it spans, and the engines that run it."""
