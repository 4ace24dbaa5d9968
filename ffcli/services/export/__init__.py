"""Stored networks as files for other programs."""
