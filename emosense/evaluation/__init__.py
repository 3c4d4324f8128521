"""Splits, metrics, intervals and calibration: how a model is tested, its scores, and their uncertainty."""
