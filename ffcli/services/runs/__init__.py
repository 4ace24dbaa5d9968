"""Listing, comparing, selecting and removing stored runs."""
