"""Evaluating, predicting and showing with stored networks."""
