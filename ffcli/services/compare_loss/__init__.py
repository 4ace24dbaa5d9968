"""Comparing losses: pairs, statistics, table and figure."""
