"""Whole jobs: they wire the stages together and decide where they run."""
