"""Tracking of runs by W&B, behind a small interface."""
