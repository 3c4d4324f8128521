"""Pretrained encoders as a feature set."""
