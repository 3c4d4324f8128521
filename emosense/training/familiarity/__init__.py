"""Recordings of a model's training -> the model's measure of how unlike them another recording is."""
