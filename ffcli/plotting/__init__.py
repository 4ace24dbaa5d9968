"""Figures drawn by matplotlib from plain numbers and names; the services save them."""
