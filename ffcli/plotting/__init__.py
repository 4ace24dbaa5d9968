"""Figures: matplotlib for PNG. They are drawn from plain numbers and names, and saved by the services."""
